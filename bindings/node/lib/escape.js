'use strict';

// Texts in error messages. A text of the program, such as a file name, may contain line breaks and terminal escapes.

/** The maximum length of a text in a message, in characters. */
const MAX = 80;
/**
 * Control characters, invisible characters, spaces other than U+0020, and characters that change the direction or order of
 * text, as in the messages of the library. Also lone surrogates.
 */
const RANGES = [
  '\\0-\\x1f', '\\x7f-\\xa0', '\\xad', '\\u061c', '\\u1680', '\\u180e', '\\u2000-\\u200f', '\\u2028-\\u202f',
  '\\u205f-\\u206f', '\\u3000', '\\ufe00-\\ufe0f', '\\ufeff', '\\ufff0-\\ufffb', '\\u{e0000}-\\u{e0fff}', '\\p{Surrogate}',
];
const UNPRINTABLE = new RegExp(`[${RANGES.join('')}]`, 'u');
const SHORT = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

function escapedCharacter(character) {
  if (!UNPRINTABLE.test(character)) return character;
  const code = character.codePointAt(0);
  if (code < 0x20 || code === 0x7f) return SHORT[character] ?? `\\x${code.toString(16).padStart(2, '0')}`;
  return `\\u{${code.toString(16)}}`;
}

/** Returns a text in quotes, escaped and truncated. */
function quoted(text) {
  const characters = Array.from(text);
  const start = characters.slice(0, MAX).map((character) => {
    return character === '"' || character === '\\' ? `\\${character}` : escapedCharacter(character);
  });
  const rest = characters.length > MAX ? `... (${Buffer.byteLength(text)} bytes)` : '';
  return `"${start.join('')}"${rest}`;
}

module.exports = { quoted };
