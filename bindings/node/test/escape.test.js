'use strict';

// Messages show control and format characters in escaped form, as those of the library do.

const assert = require('node:assert/strict');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { test } = require('node:test');
const { Client } = require('..');
const { quoted } = require('../lib/escape');
const { VAULT, credentials } = require('./local');

const SETTINGS = { endpoint: 'http://127.0.0.1:1', region: 'us-east-1', credentials };

test('messages escape control and format characters', async (t) => {
  const text = 'a\u202e\u009b\u2028"';
  const shown = /"a\\u\{202e\}\\u\{9b\}\\u\{2028\}\\""/;
  assert.throws(() => new Client({ [text]: 1 }), { message: shown });
  assert.throws(() => new Client({ ...SETTINGS, log() {}, logLevel: text }), { message: shown });

  const directory = mkdtempSync(join(tmpdir(), 'glacier-node-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const journal = join(directory, text);
  writeFileSync(journal, '');
  const stream = new Client(SETTINGS).createWriteStream(VAULT, { journal });
  const failed = new Promise((done) => { stream.once('error', done); });
  stream.emit('pipe', { path: journal });
  const { message } = await failed;
  assert.ok(message.includes(quoted(journal)), message);
  assert.doesNotMatch(message, /[\u202e\u009b\u2028]/);
});

test('messages escape the same characters as the library', () => {
  const rejected = (region) => {
    try {
      new Client({ ...SETTINGS, region });
      return null;
    } catch ({ message }) {
      return message.slice(0, message.lastIndexOf(' is not allowed'));
    }
  };
  // The planes 0 and 1 and the start of plane 14, except for the surrogates and NUL, which no text contains.
  for (const [first, end] of [[1, 0xd800], [0xe000, 0x20000], [0xe0000, 0xe1100]]) {
    for (let code = first; code < end; code += 70) {
      const codes = Array.from({ length: Math.min(70, end - code) }, (_, index) => code + index);
      const region = `/${String.fromCodePoint(...codes)}`;
      assert.equal(rejected(region), `region ${quoted(region)}`);
    }
  }
  const long = `/${'ü'.repeat(100)}`;
  assert.equal(rejected(long), `region ${quoted(long)}`);
  assert.equal(quoted('\ud800'), '"\\u{d800}"');
});
