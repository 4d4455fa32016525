//! Secret text: keys, tokens, documents that contain them.

use zeroize::Zeroizing;

/// A secret. It is wiped from memory when it is dropped. It implements neither `Debug` nor `Display`, so that it cannot be
/// logged by accident.
#[derive(Clone)]
#[allow(missing_debug_implementations)] // On purpose.
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret. `text` must not have grown piece by piece: each growth leaves a copy in freed memory.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the text. Do not store copies of it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns whether both secrets are the same. The time depends on their lengths only.
    pub fn is_same(&self, other: &Self) -> bool {
        let (a, b) = (self.0.as_bytes(), other.0.as_bytes());
        a.len() == b.len() && a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_whole_secrets() {
        for (a, b, expected) in [("abc", "abc", true), ("abc", "abd", false), ("abc", "ab", false), ("", "", true)] {
            assert_eq!(Secret::from(a).is_same(&Secret::from(b)), expected, "{a} {b}");
        }
    }
}
