//! Where the bytes are cut.

/// How many bytes are decoded again for the cuts of one transcript, at most.
const BUDGET: usize = 1 << 21;

/// Where a stream is cut in two: at every byte if it is short enough, else around the borders of its
/// events and at places drawn with a fixed seed, so that every run sees the same ones.
#[must_use]
pub fn places(stream: &[u8], seed: u64) -> Vec<usize> {
    let most = BUDGET / stream.len().max(1);
    if stream.len() <= most {
        return (0..=stream.len()).collect();
    }
    let borders: Vec<usize> = stream
        .windows(2)
        .enumerate()
        .filter(|(_, two)| *two == b"\n\n")
        .map(|(at, _)| at)
        .collect();
    let mut draw = Draw(seed);
    let mut places = Vec::new();
    for at in 0..most {
        let border = borders.get(draw.below(borders.len().max(1))).copied();
        places.push(match border.filter(|_| at % 2 == 0) {
            Some(border) => (border + draw.below(4)).min(stream.len()),
            None => draw.below(stream.len()),
        });
    }
    places
}

/// A small source of chance (splitmix64): the same numbers from the same seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let wide = u128::from(mixed ^ (mixed >> 31)) * bound as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}
