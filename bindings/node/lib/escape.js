'use strict';

// Texts in error messages. A text of the program, such as a file name, may contain line breaks and terminal escapes.

/** The maximum length of a text in a message, in characters. */
const MAX = 80;
/**
 * Control and format characters, invisible characters, noncharacters, and spaces other than U+0020, as in the messages of
 * the library. Also lone surrogates. The ranges are fixed, because the properties of regular expressions depend on the
 * version of Node.js.
 */
const RANGES = [
  '\\0-\\x1f', '\\x7f-\\xa0', '\\xad', '\\u034f', '\\u0600-\\u0605', '\\u061c', '\\u06dd', '\\u070f', '\\u0890-\\u0891',
  '\\u08e2', '\\u115f-\\u1160', '\\u1680', '\\u17b4-\\u17b5', '\\u180b-\\u180f', '\\u2000-\\u200f', '\\u2028-\\u202f',
  '\\u205f-\\u206f', '\\u2800', '\\u3000', '\\u3164', '\\ufdd0-\\ufdef', '\\ufe00-\\ufe0f', '\\ufeff', '\\uffa0',
  '\\ufff0-\\ufffb', '\\u{110bd}', '\\u{110cd}', '\\u{13430}-\\u{1343f}', '\\u{1bca0}-\\u{1bca3}', '\\u{1d159}',
  '\\u{1d173}-\\u{1d17a}', '\\u{e0000}-\\u{e0fff}', '\\p{Noncharacter_Code_Point}', '\\p{Surrogate}',
];
const UNPRINTABLE = new RegExp(`[${RANGES.join('')}]`, 'u');
const SHORT = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escapedCharacter(character) {
  if (!UNPRINTABLE.test(character)) return character;
  const code = character.codePointAt(0);
  if (code < 0x20 || code === 0x7f) return SHORT[character] ?? `\\x${code.toString(16).padStart(2, '0')}`;
  return `\\u{${code.toString(16)}}`;
}

/** Returns a text with its control and invisible characters escaped. */
function escaped(text) { return Array.from(text, escapedCharacter).join(''); }

/** Returns a text in quotes, escaped and truncated. */
function quoted(text) {
  const characters = Array.from(text);
  const start = characters.slice(0, MAX).map((character) => {
    return character === '"' || character === '\\' ? `\\${character}` : escapedCharacter(character);
  });
  const rest = characters.length > MAX ? `... (${Buffer.byteLength(text)} bytes)` : '';
  return `"${start.join('')}"${rest}`;
}

module.exports = { escaped, quoted };
