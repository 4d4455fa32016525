//! The rounds of the kernels for two states, which the SHA instructions of x86 and of ARMv8 compute in the same order.

/// Computes 16 rounds for both states, and the words for the next 16. `$now` is 0 to 3: each computes four rounds, unrolled,
/// so that the words stay in their registers. The caller has the functions `four_rounds` and `next_words`, and `$streams`
/// streams.
///
/// A macro, because a generic function cannot require the CPU features of the caller.
macro_rules! sixteen_rounds {
    ($both:ident, $words:ident, $streams:ident, $group:ident, $constants:ident, $add:ident, $($now:literal)*) => {$(
        let input = $words.map(|words| $add(words[$now], $constants[$now]));
        for (i, halves) in $both.iter_mut().enumerate() {
            four_rounds(halves, input[i % $streams]);
        }
        if $group < 3 {
            for words in &mut $words {
                words[$now] = next_words([0, 1, 2, 3].map(|ahead| words[($now + ahead) % 4]));
            }
        }
    )*};
}
pub(super) use sixteen_rounds;
