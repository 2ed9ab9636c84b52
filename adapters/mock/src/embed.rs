//! Vectors of texts, by a rule that everybody can check by hand.

use adapters_canonical::embedding::{EmbeddingInput, EmbeddingRequest, EmbeddingResponse};
use adapters_canonical::usage::Usage;

use crate::MODEL;
use crate::token::{count, tokens};

/// How many numbers a vector has if nobody says.
pub const DIMENSIONS: u32 = 64;
/// More than any model makes.
const MOST_DIMENSIONS: u32 = 8192;

/// Makes a vector of each input, always the same of the same: each token counts one way or the other
/// in one dimension, and the whole has the length 1. Texts that share words are near each other.
#[must_use]
pub fn embed(request: &EmbeddingRequest) -> EmbeddingResponse {
    let dimensions = request.dimensions.unwrap_or(DIMENSIONS).clamp(1, MOST_DIMENSIONS);
    let tokens = request.inputs.iter().map(|input| match input {
        EmbeddingInput::Text(text) => count(text),
        EmbeddingInput::Tokens(tokens) => tokens.len() as u64,
    });
    EmbeddingResponse {
        model: MODEL.to_owned(),
        usage: Some(Usage { input: Some(tokens.fold(0, u64::saturating_add)), ..Usage::default() }),
        vectors: request.inputs.iter().map(|input| vector(input, dimensions)).collect(),
    }
}

fn vector(input: &EmbeddingInput, dimensions: u32) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions as usize];
    let mut add = |token: &[u8]| {
        let hash = fnv(token);
        let at = (hash % u64::from(dimensions)) as usize;
        if let Some(number) = vector.get_mut(at) {
            *number += if hash >> 63 == 0 { 1.0 } else { -1.0 };
        }
    };
    match input {
        EmbeddingInput::Text(text) => {
            for token in tokens(text) {
                add(token.trim().to_lowercase().as_bytes());
            }
        }
        EmbeddingInput::Tokens(tokens) => {
            for token in tokens {
                add(&token.to_le_bytes());
            }
        }
    }
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|number| *number /= length);
    } else if let Some(first) = vector.first_mut() {
        // Nothing was said, or it cancels out.
        *first = 1.0;
    }
    vector
}

/// FNV-1a.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str], dimensions: Option<u32>) -> EmbeddingResponse {
        let inputs = texts.iter().map(|text| EmbeddingInput::Text((*text).to_owned())).collect();
        embed(&EmbeddingRequest { inputs, dimensions, ..EmbeddingRequest::default() })
    }

    fn near(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn vectors_have_the_wished_size_and_the_length_one() {
        let answer = of(&["Good morning", ""], Some(7));
        assert_eq!(answer.usage.unwrap().input, Some(2));
        for vector in answer.vectors {
            assert_eq!(vector.len(), 7);
            assert!((near(&vector, &vector) - 1.0).abs() < 1e-5, "{vector:?}");
        }
        assert_eq!(of(&["a"], None).vectors[0].len(), DIMENSIONS as usize);
    }

    #[test]
    fn texts_that_share_words_are_near_each_other() {
        let texts = ["the cat sat on the mat", "the cat lay on the mat", "prices rose sharply"];
        let answer = of(&texts, Some(512));
        let [a, b, c] = answer.vectors.as_slice() else { panic!("three texts, three vectors") };
        assert!(near(a, b) > 0.7 && near(a, c) < 0.3);
        assert_eq!(of(&texts, Some(512)), answer);
    }
}
