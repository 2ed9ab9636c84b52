//! What the rounds of one measurement say together.
//!
//! A virtual machine is disturbed from second to second. A disturbance only ever adds CPU time, so
//! of CPU figures the least is the truest; a latency is the median of the rounds.

/// One sample per round, in the order they were taken. A round that failed has none.
#[derive(Clone, Debug)]
pub struct Rounds<T>(Vec<T>);

impl<T> Default for Rounds<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Rounds<T> {
    /// Adds the sample of the next round.
    pub fn push(&mut self, sample: T) {
        self.0.push(sample);
    }

    /// Whether no round succeeded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One figure of each sample that has it, in the order they were taken.
    pub fn all(&self, figure: impl Fn(&T) -> Option<f64>) -> Vec<f64> {
        self.0.iter().filter_map(figure).filter(|it| it.is_finite()).collect()
    }

    /// The least of a figure; `None` if no sample has it.
    pub fn least(&self, figure: impl Fn(&T) -> Option<f64>) -> Option<f64> {
        self.all(figure).into_iter().min_by(f64::total_cmp)
    }

    /// The median of a figure, the mean of the middle two if there are two; `None` if no sample
    /// has it.
    pub fn median(&self, figure: impl Fn(&T) -> Option<f64>) -> Option<f64> {
        let mut sorted = self.all(figure);
        sorted.sort_by(f64::total_cmp);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(f64::midpoint(lower, upper))
    }

    /// How far the rounds are apart: the median of a figure in multiples of the least. 1 means
    /// that at least half of the rounds agree with the least.
    pub fn spread(&self, figure: impl Fn(&T) -> Option<f64>) -> Option<f64> {
        let least = self.least(&figure).filter(|it| *it > 0.0)?;
        Some(self.median(figure)? / least)
    }
}

#[cfg(test)]
mod tests {
    use super::Rounds;

    fn rounds(samples: &[Option<f64>]) -> Rounds<Option<f64>> {
        let mut rounds = Rounds::default();
        samples.iter().for_each(|it| rounds.push(*it));
        rounds
    }

    #[test]
    fn a_disturbed_round_moves_neither_least_nor_median() {
        let calm = rounds(&[Some(10.0), Some(12.0), Some(11.0)]);
        let disturbed = rounds(&[Some(10.0), Some(99.0), Some(11.0)]);
        for it in [calm, disturbed] {
            assert_eq!(it.least(|it| *it), Some(10.0));
            assert_eq!(it.median(|it| *it), Some(11.0));
            assert_eq!(it.spread(|it| *it), Some(1.1));
        }
    }

    #[test]
    fn of_an_even_number_of_rounds_the_median_lies_between_the_middle_two() {
        let it = rounds(&[Some(4.0), Some(1.0), Some(2.0), Some(100.0)]);
        assert_eq!(it.median(|it| *it), Some(3.0));
    }

    #[test]
    fn samples_without_the_figure_do_not_count() {
        let it = rounds(&[None, Some(7.0), Some(f64::NAN)]);
        assert_eq!(it.all(|it| *it), [7.0]);
        assert_eq!((it.least(|it| *it), it.median(|it| *it)), (Some(7.0), Some(7.0)));
    }

    #[test]
    fn without_samples_there_is_no_figure() {
        let it = rounds(&[None]);
        assert_eq!(
            (it.least(|it| *it), it.median(|it| *it), it.spread(|it| *it)),
            (None, None, None)
        );
        // A least of nothing has no multiples.
        assert_eq!(rounds(&[Some(0.0), Some(1.0)]).spread(|it| *it), None);
    }
}
