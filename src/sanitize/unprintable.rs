//! Characters that a reader cannot see, or that change how the text around them is shown.

/// The ranges by property, in Unicode 16. Unassigned characters count only if Unicode reserves them for a property.
const RANGES: [&[(char, char)]; 6] = [
    // General category Cc from U+0080, the C1 controls. The others are ASCII, and `escaped` has shorter escapes for them.
    &[('\u{80}', '\u{9f}')],
    // General categories Zs, Zl and Zp, without U+0020.
    &[
        ('\u{a0}', '\u{a0}'),
        ('\u{1680}', '\u{1680}'),
        ('\u{2000}', '\u{200a}'),
        ('\u{2028}', '\u{2029}'),
        ('\u{202f}', '\u{202f}'),
        ('\u{205f}', '\u{205f}'),
        ('\u{3000}', '\u{3000}'),
    ],
    // Default_Ignorable_Code_Point.
    &[
        ('\u{ad}', '\u{ad}'),
        ('\u{34f}', '\u{34f}'),
        ('\u{61c}', '\u{61c}'),
        ('\u{115f}', '\u{1160}'),
        ('\u{17b4}', '\u{17b5}'),
        ('\u{180b}', '\u{180f}'),
        ('\u{200b}', '\u{200f}'),
        ('\u{202a}', '\u{202e}'),
        ('\u{2060}', '\u{206f}'),
        ('\u{3164}', '\u{3164}'),
        ('\u{fe00}', '\u{fe0f}'),
        ('\u{feff}', '\u{feff}'),
        ('\u{ffa0}', '\u{ffa0}'),
        ('\u{fff0}', '\u{fff8}'),
        ('\u{1bca0}', '\u{1bca3}'),
        ('\u{1d173}', '\u{1d17a}'),
        ('\u{e0000}', '\u{e0fff}'),
    ],
    // General category Cf, as far as it is not Default_Ignorable_Code_Point.
    &[
        ('\u{600}', '\u{605}'),
        ('\u{6dd}', '\u{6dd}'),
        ('\u{70f}', '\u{70f}'),
        ('\u{890}', '\u{891}'),
        ('\u{8e2}', '\u{8e2}'),
        ('\u{fff9}', '\u{fffb}'),
        ('\u{110bd}', '\u{110bd}'),
        ('\u{110cd}', '\u{110cd}'),
        ('\u{13430}', '\u{1343f}'),
    ],
    // Noncharacter_Code_Point, without the last two of each plane.
    &[('\u{fdd0}', '\u{fdef}')],
    // Symbols with a blank glyph: the empty Braille pattern and the musical null notehead.
    &[('\u{2800}', '\u{2800}'), ('\u{1d159}', '\u{1d159}')],
];

/// Returns whether `c` is a C1 control, a noncharacter, invisible, a space other than U+0020, or changes the direction or
/// order of text.
pub fn is_unprintable(c: char) -> bool {
    let is_last_of_plane = u32::from(c) & 0xfffe == 0xfffe;
    !c.is_ascii()
        && (is_last_of_plane || RANGES.iter().copied().flatten().any(|(first, last)| (*first..=*last).contains(&c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The union of the properties, as Python's `unicodedata` and DerivedCoreProperties.txt give them.
    const EXPECTED: [(u32, u32); 31] = [
        (0x80, 0xa0),
        (0xad, 0xad),
        (0x34f, 0x34f),
        (0x600, 0x605),
        (0x61c, 0x61c),
        (0x6dd, 0x6dd),
        (0x70f, 0x70f),
        (0x890, 0x891),
        (0x8e2, 0x8e2),
        (0x115f, 0x1160),
        (0x1680, 0x1680),
        (0x17b4, 0x17b5),
        (0x180b, 0x180f),
        (0x2000, 0x200f),
        (0x2028, 0x202f),
        (0x205f, 0x206f),
        (0x2800, 0x2800),
        (0x3000, 0x3000),
        (0x3164, 0x3164),
        (0xfdd0, 0xfdef),
        (0xfe00, 0xfe0f),
        (0xfeff, 0xfeff),
        (0xffa0, 0xffa0),
        (0xfff0, 0xfffb),
        (0x110bd, 0x110bd),
        (0x110cd, 0x110cd),
        (0x13430, 0x1343f),
        (0x1bca0, 0x1bca3),
        (0x1d159, 0x1d159),
        (0x1d173, 0x1d17a),
        (0xe0000, 0xe0fff),
    ];

    #[test]
    fn has_all_characters_of_the_properties_and_no_others() {
        for c in '\u{80}'..=char::MAX {
            let code = u32::from(c);
            let is_listed = EXPECTED.iter().any(|(first, last)| (*first..=*last).contains(&code));
            assert_eq!(is_unprintable(c), is_listed || code & 0xffff >= 0xfffe, "U+{code:04X}");
        }
    }

    #[test]
    fn has_no_ascii() {
        assert!(!(0..0x80u8).any(|byte| is_unprintable(char::from(byte))));
    }
}
