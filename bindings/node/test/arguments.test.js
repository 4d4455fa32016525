'use strict';

// Invalid arguments are errors before any call of the library. koffi would use a number as an address, cut a text at a NUL
// character, and convert every number to an integer.

const assert = require('node:assert/strict');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { test } = require('node:test');
const { pathToFileURL } = require('node:url');
const { Client, plan, treeHash, treeHashFile } = require('..');
const { MIB, VAULT, content, credentials, start } = require('./local');

const SETTINGS = { endpoint: 'http://127.0.0.1:1', region: 'us-east-1', credentials };
const client = new Client(SETTINGS);

const configure = (name) => [name, (value) => new Client({ ...SETTINGS, [name]: value }).close()];
const configureKeys = (name) => [name, (value) => new Client({ credentials: { ...credentials, [name]: value } }).close()];
const provideKeys = (name) => [name, (value) => withKeys({ ...credentials, [name]: value })];
const setUp = (name) => [name, (value) => client.createUpload(VAULT, { [name]: value }).close()];

/** Lists uploads with keys that a function returns. */
async function withKeys(keys, endpoint = SETTINGS.endpoint) {
  const provided = new Client({ ...SETTINGS, endpoint, maxAttempts: 1, credentials: () => keys });
  try {
    await provided.listUploads(VAULT);
  } finally {
    provided.close();
  }
}

/** Runs an upload of a source that must be rejected. */
async function run(source, options) {
  const upload = client.createUpload(VAULT);
  try {
    await upload.run(source, options);
  } finally {
    upload.close();
  }
}

const SECRETS = [
  ...['endpoint', 'proxy'].map(configure),
  ...['accessKeyId', 'secretAccessKey', 'sessionToken'].flatMap((name) => [configureKeys(name), provideKeys(name)]),
];
const TEXTS = [
  ...['region', 'accountId', 'profile', 'userAgent'].map(configure),
  ...['description', 'uploadId'].map(setUp),
  ['vault', (value) => client.createUpload(value).close()],
  ['vault', (value) => client.upload(value, content(1))],
  ['vault', (value) => client.createWriteStream(value)],
  ['vault', (value) => client.listUploads(value)],
];
const PATHS = [configure('caFile'), setUp('journal'), ['path', (value) => treeHashFile(value)]];
const COUNTS_32 = [
  ...['concurrency', 'maxAttempts'].map(configure),
  ['concurrency', (value) => plan(MIB, { concurrency: value })],
  ['threads', (value) => treeHashFile(__filename, { threads: value })],
];
const COUNTS_64 = [
  ...['memoryLimit', 'bandwidthLimit', 'connectTimeoutMs', 'stallTimeoutMs', 'giveUpAfterMs'].map(configure),
  ...['partSize', 'archiveSize', 'expectedSize', 'bandwidthLimit'].map(setUp),
  ['bytesPerSecond', (value) => client.createUpload(VAULT).setBandwidthLimit(value)],
  ['size', (value) => plan(value)],
  ['partSize', (value) => plan(MIB, { partSize: value })],
];

/** Checks that a call throws, or returns a promise that is rejected. */
async function fails(call, value, type, code, ...messages) {
  await assert.rejects(async () => call(value), (error) => {
    assert.equal(error.constructor, type, error.message);
    assert.equal(error.code, code);
    for (const message of messages) assert.match(error.message, message);
    return true;
  });
}

test('rejects a value that is no text', async () => {
  for (const [name, call] of [...TEXTS, ...PATHS, ...SECRETS]) {
    const values = [[5, 'a number'], [5n, 'a bigint'], [true, 'a boolean'], [['x'], 'an array'], [{}, 'an object']];
    for (const [value, type] of values) {
      await fails(call, value, TypeError, 'ERR_INVALID_ARG_TYPE', new RegExp(`^${name} must be a .*, not ${type}$`));
    }
    if (name !== 'sessionToken') await fails(call, null, TypeError, 'ERR_INVALID_ARG_TYPE', /, not null$/);
  }
  for (const call of [(vault) => client.createUpload(vault), (vault) => client.listUploads(vault), treeHashFile]) {
    await fails(call, undefined, TypeError, 'ERR_INVALID_ARG_TYPE', /, not undefined$/);
  }
  for (const name of ['accessKeyId', 'secretAccessKey']) {
    for (const call of [configureKeys(name)[1], provideKeys(name)[1]]) {
      const message = new RegExp(`^${name} must be a string, not undefined$`);
      await fails(call, undefined, TypeError, 'ERR_INVALID_ARG_TYPE', message);
    }
  }
});

test('rejects a text with a NUL character or a lone surrogate', async () => {
  const source = ['source', run];
  for (const [text, rule] of [['some-text\0other', 'a NUL character'], ['some-text\ud800', 'a lone surrogate']]) {
    for (const [name, call] of [...TEXTS, ...PATHS, source]) {
      const message = new RegExp(`^${name} must not contain ${rule}: "some-text\\\\`);
      await fails(call, text, TypeError, 'ERR_INVALID_ARG_VALUE', message);
    }
    for (const [name, call] of SECRETS) {
      await fails(call, text, TypeError, 'ERR_INVALID_ARG_VALUE', new RegExp(`^${name} must not contain ${rule}$`));
    }
  }
  for (const call of [source[1], ...PATHS.map(([, path]) => path)]) {
    await fails(call, new URL('file:///some-text%00other'), TypeError, 'ERR_INVALID_ARG_VALUE', /a NUL character/);
  }
  const message = /^vault must not contain a NUL character: "a\\u\{202e\}\\x00"$/;
  assert.throws(() => client.createUpload('a\u202e\0'), { message });
  // A surrogate pair is one character.
  client.createUpload(VAULT, { journal: '/some-text\u{1f600}' }).close();
});

test('accepts a file URL as a path', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'glacier-node-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'a file');
  writeFileSync(path, content(MIB));
  assert.equal(await treeHashFile(pathToFileURL(path)), treeHash(content(MIB)));
});

test('rejects a value that is no count', async () => {
  const others = [['5', 'a string'], [true, 'a boolean'], [null, 'null'], [[5], 'an array'], [Object(5), 'an object']];
  const limits = [...COUNTS_32.map((each) => [...each, 2n ** 32n]), ...COUNTS_64.map((each) => [...each, 2n ** 64n])];
  for (const [name, call, end] of limits) {
    for (const value of [NaN, Infinity, 1.5, MIB + 0.7, 2 ** 53, -(2 ** 64) + MIB]) {
      const message = new RegExp(`^${name} must be an? .*integer.*, not ${String(value).replace('+', '\\+')}`);
      await fails(call, value, RangeError, 'ERR_OUT_OF_RANGE', message);
    }
    for (const value of [-1, -1n, end, end + BigInt(MIB)]) {
      const message = new RegExp(`^${name} must be an integer from 0 to ${end - 1n}, not ${value}$`);
      await fails(call, value, RangeError, 'ERR_OUT_OF_RANGE', message);
    }
    for (const [value, type] of others) {
      const message = new RegExp(`^${name} must be an integer, a number or a bigint, not ${type}$`);
      await fails(call, value, TypeError, 'ERR_INVALID_ARG_TYPE', message);
    }
  }
  await fails(plan, 10n ** 1000n, RangeError, 'ERR_OUT_OF_RANGE', /, not 10{79}\.\.\.$/);
});

test('accepts counts as numbers and as bigints', async () => {
  const settings = { concurrency: 4, maxAttempts: 0, memoryLimit: 2 ** 30, bandwidthLimit: Number.MAX_SAFE_INTEGER };
  const bigints = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, BigInt(value)]));
  for (const values of [settings, bigints, { bandwidthLimit: 2n ** 64n - 1n }]) {
    new Client({ ...SETTINGS, ...values }).close();
  }
  for (const partSize of [MIB, BigInt(MIB)]) {
    const upload = client.createUpload(VAULT, { partSize, bandwidthLimit: 2n ** 60n });
    upload.setBandwidthLimit(0n);
    upload.close();
    const planned = plan(BigInt(5 * MIB), { partSize, concurrency: 2n });
    assert.deepEqual(planned, plan(5 * MIB, { partSize: MIB, concurrency: 2 }));
  }
});

test('rejects a value that is no bytes', async () => {
  const array = Object.assign([1, 2, 3], { byteLength: MIB });
  const values = [5, null, [1, 2, 3], { byteLength: MIB }, array, new Uint16Array(1), Object.create(Uint8Array.prototype)];
  for (const value of [...values, 'abc']) {
    await fails(treeHash, value, TypeError, 'ERR_INVALID_ARG_TYPE', /^data must be a Uint8Array, not /);
  }
  for (const value of values) {
    await fails(run, value, TypeError, 'ERR_INVALID_ARG_TYPE', /^source must be a path, .*, not /);
  }
  const bytes = content(10);
  Object.defineProperty(bytes, 'byteLength', { value: 5 });
  assert.equal(treeHash(bytes), treeHash(content(10)));
});

test('rejects an unknown option', async () => {
  const calls = [
    (options) => new Client(options),
    (options) => client.createUpload(VAULT, options),
    (options) => client.upload(VAULT, content(1), options),
    (options) => client.createWriteStream(VAULT, options),
    (options) => client.listUploads(VAULT, options),
    (options) => run(content(1), options),
    (options) => client.createUpload(VAULT).createWriteStream(options),
    (options) => treeHashFile(__filename, options),
    (options) => plan(1, options),
  ];
  for (const call of calls) {
    for (const name of ['partsize', 'Signal', 'toString', '__proto__ ']) {
      const message = new RegExp(`^unknown option "${name}": use one of \\w+`);
      await fails(call, { [name]: undefined }, TypeError, 'ERR_INVALID_ARG_VALUE', message);
    }
    for (const value of [null, 5, 'partSize', () => {}, []]) {
      await fails(call, value, TypeError, 'ERR_INVALID_ARG_TYPE', /^options must be an object, not /);
    }
  }
  await fails(calls[2], { partsize: 1 }, TypeError, 'ERR_INVALID_ARG_VALUE', /\bpartSize\b.*\bsignal\b/);
});

test('rejects a value that is no function, signal, log level or credentials', async () => {
  const functions = [configure('log'), ['onProgress', (value) => run(content(1), { onProgress: value })]];
  for (const [name, call] of functions) {
    for (const value of [5, null, 'x', {}]) {
      await fails(call, value, TypeError, 'ERR_INVALID_ARG_TYPE', new RegExp(`^${name} must be a function, not `));
    }
  }
  const signals = [
    (signal) => run(content(1), { signal }),
    (signal) => client.listUploads(VAULT, { signal }),
    (signal) => client.createWriteStream(VAULT, { signal }),
  ];
  for (const call of signals) {
    for (const value of [5, null, {}]) {
      await fails(call, value, TypeError, 'ERR_INVALID_ARG_TYPE', /^signal must be an AbortSignal, not /);
    }
  }
  const [, setLevel] = configure('logLevel');
  await fails(setLevel, 1n, TypeError, 'ERR_INVALID_ARG_TYPE', /^logLevel must be a string, not a bigint$/);
  await fails(setLevel, 'loud', TypeError, 'ERR_INVALID_ARG_VALUE', /^unknown log level "loud": use one of off, error, /);
  for (const value of [5, '', null, false, []]) {
    await fails(configure('credentials')[1], value, TypeError, 'ERR_INVALID_ARG_TYPE', /^credentials must be an object/);
    const message = /^the result of the credentials function must be an object, not /;
    await fails(withKeys, value, TypeError, 'ERR_INVALID_ARG_TYPE', message);
  }
});

test('rejects an expiration that is no time', async () => {
  for (const call of [configureKeys('expiration')[1], provideKeys('expiration')[1]]) {
    for (const value of ['not a date', '2030-01-01', '', 0, 1e30, Date.now(), 5n, true, [2030], {}]) {
      await fails(call, value, TypeError, 'ERR_INVALID_ARG_TYPE', /^expiration must be a Date, not /);
    }
    for (const [value, shown] of [[NaN, 'an invalid date'], [500, '1970-01-01T00:00:00.500Z'], [-5000, '1969-']]) {
      const message = new RegExp(`^expiration must be a time after 1970-01-01, not ${shown}`);
      await fails(call, new Date(value), RangeError, 'ERR_OUT_OF_RANGE', message);
    }
  }
});

test('accepts credentials that have more properties, or none that are optional', async (t) => {
  const { endpoint } = await start(t);
  const hour = new Date(Date.now() + 3_600_000);
  for (const optional of [{}, { sessionToken: null, expiration: null }, { expiration: hour, accountId: '123456789012' }]) {
    await withKeys({ ...credentials, ...optional }, endpoint);
    new Client({ ...SETTINGS, credentials: { ...credentials, ...optional } }).close();
  }
});
