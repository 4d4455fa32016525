'use strict';

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { join } = require('node:path');
const { test } = require('node:test');

/** Loads the package with a library, and returns the error. */
function load(library) {
  const program = `try { require(${JSON.stringify(join(__dirname, '..'))}); } catch (error) { console.log(error.message); }`;
  const env = { ...process.env, GLACIER_MP_LIBRARY: library };
  if (library === undefined) delete env.GLACIER_MP_LIBRARY;
  return spawnSync(process.execPath, ['-e', program], { encoding: 'utf8', env }).stdout;
}

test('names the library that cannot be loaded, and the variable', () => {
  const message = load('/no/such\x1b[31m\nlibrary.so');
  assert.match(message, /^cannot load the C library "\/no\/such\\x1b\[31m\\nlibrary\.so", which GLACIER_MP_LIBRARY names: \S/);
  // The program of Node.js is no shared library.
  assert.match(load(__filename), /^cannot load the C library ".*native\.test\.js", which GLACIER_MP_LIBRARY names: \S/);
});

test('names a library that lacks functions', () => {
  const message = load('libc.so.6');
  assert.match(message, /^cannot load the C library "libc\.so\.6", which GLACIER_MP_LIBRARY names: .*glacier_version/);
});
