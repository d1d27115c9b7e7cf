//! Words as people compare them: without case, punctuation and emoji.

/// The words of a text in lower case. Any character that is not a letter or a digit separates words.
pub(super) fn words(text: &str) -> Vec<String> {
    spans(text).into_iter().map(|word| word.lower).collect()
}

/// A word and its place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) lower: String,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The words of a text, with their places.
pub(super) fn spans(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for (start, character) in text.char_indices().filter(|(_, character)| character.is_alphanumeric()) {
        let end = start + character.len_utf8();
        match words.last_mut() {
            Some(word) if word.end == start => {
                word.end = end;
                word.lower.extend(character.to_lowercase());
            }
            _ => words.push(Word { lower: character.to_lowercase().collect(), start, end }),
        }
    }
    words
}

/// How similar two texts are, in thousandths: the share of letter pairs that they have in common. Tolerates typing
/// errors and a different order of words.
pub(super) fn letters_alike(left: &str, right: &str) -> usize {
    let (left, mut right) = (pairs(left), pairs(right));
    let total = left.len() + right.len();
    let mut common: usize = 0;
    for pair in &left {
        if let Some(at) = right.iter().position(|other| other == pair) {
            right.swap_remove(at);
            common += 2;
        }
    }
    (common * 1000).checked_div(total).unwrap_or(0)
}

fn pairs(text: &str) -> Vec<(char, char)> {
    words(text).iter().flat_map(|word| word.chars().zip(word.chars().skip(1)).collect::<Vec<_>>()).collect()
}
