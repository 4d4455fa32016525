'use strict';

// The programs of the README.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { test } = require('node:test');
const { pathToFileURL } = require('node:url');
const { MIB, VAULT, credentials, start } = require('./local');

const SIZE = 5 * MIB + 3;

/** Returns the programs of the README, for a vault of the local Glacier and a file. */
function readmePrograms(path) {
  const readme = readFileSync(join(__dirname, '../README.md'), 'utf8');
  return [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, program]) => program
    .replace("from 'glacier-mp'", `from ${JSON.stringify(pathToFileURL(join(__dirname, '../index.js')).href)}`)
    .replaceAll("'my-vault'", `'${VAULT}'`)
    .replaceAll("'backup.tar'", JSON.stringify(path)));
}

/** Runs a program of the README. */
function runProgram(glacier, source) {
  return spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    cwd: glacier.directory,
    encoding: 'utf8',
    env: {
      ...process.env,
      AWS_ENDPOINT_URL_GLACIER: glacier.endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
  });
}

test('the README shows programs that run', async (t) => {
  const glacier = await start(t);
  const programs = readmePrograms(glacier.file(SIZE));
  assert.ok(programs.length >= 3);
  for (const source of programs) {
    const done = runProgram(glacier, source);
    assert.equal(done.status, 0, `${source}\n${done.stderr}`);
  }
});

test('the stream of the README rejects if its file does not exist', async (t) => {
  const glacier = await start(t);
  const program = readmePrograms('/no/such/file').find((source) => source.includes('createGzip'));
  // The body becomes a function, to catch its error.
  const [, imports, body] = program.match(/^((?:import [^\n]*\n)+)(.*)$/s);
  const caught = `${imports}(async () => {${body}})().catch(({ code }) => console.log('caught', code));`;
  const { stdout, stderr, status } = runProgram(glacier, caught);
  assert.deepEqual({ stdout, stderr, status }, { stdout: 'caught ENOENT\n', stderr: '', status: 0 });
  assert.deepEqual(await glacier.requests('CompleteMultipartUpload'), []);
});
