'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { copyFileSync, mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { test } = require('node:test');

/** Loads the package with a library, and returns the error. The dynamic linker first looks in `directory`. */
function load(library, directory) {
  const program = `try { require(${JSON.stringify(join(__dirname, '..'))}); } catch (error) { console.log(error.message); }`;
  const env = { ...process.env, GLACIER_MP_LIBRARY: library };
  if (library === undefined) delete env.GLACIER_MP_LIBRARY;
  if (directory !== undefined) env.LD_LIBRARY_PATH = directory;
  return spawnSync(process.execPath, ['-e', program], { encoding: 'utf8', env }).stdout;
}

test('names the library that cannot be loaded, and the variable', () => {
  const message = load('/no/such\x1b[31m\nlibrary.so');
  assert.match(message, /^cannot load the C library "\/no\/such\\x1b\[31m\\nlibrary\.so" \(from GLACIER_MP_LIBRARY\): \S/);
  // This file is not a shared library.
  assert.match(load(__filename), /^cannot load the C library ".*native\.test\.js" \(from GLACIER_MP_LIBRARY\): \S/);
});

test('names the library that the dynamic linker finds, and the variable', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'glacier-node-'));
  t.after(() => rmSync(directory, { recursive: true }));
  // An installed library is not found.
  copyFileSync(__filename, join(directory, 'libglacier_mp.so.0'));
  const start = 'cannot load the C library "libglacier_mp.so.0": install it, or set GLACIER_MP_LIBRARY to its path: ';
  for (const unset of [undefined, '']) {
    const message = load(unset, directory);
    assert.ok(message.startsWith(start) && message.length > start.length + 1, message);
  }
});

test('names a library that lacks functions', () => {
  const message = load('libc.so.6');
  assert.match(message, /^cannot load the C library "libc\.so\.6" \(from GLACIER_MP_LIBRARY\): .*glacier_version/);
});
