'use strict';

// The local Glacier as a child process.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { createInterface } = require('node:readline');
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join, resolve } = require('node:path');

const EMULATOR = process.env.GLACIER_EMULATOR || resolve(__dirname, '../../../target/debug/glacier-emulator');
const VAULT = 'examplevault';
const MIB = 1 << 20;
const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};

for (const name of Object.keys(process.env)) {
  if (name.startsWith('AWS_') || name.toLowerCase().endsWith('_proxy')) delete process.env[name];
}

/** Starts a local Glacier and a directory for a test. Both are removed after the test. */
async function start(t, ...options) {
  const child = spawn(EMULATOR, ['--until-stdin-closes', ...options], { stdio: ['pipe', 'pipe', 'inherit'] });
  const directory = mkdtempSync(join(tmpdir(), 'glacier-node-'));
  t.after(async () => {
    child.stdin.end();
    if (child.exitCode === null) await once(child, 'exit');
    rmSync(directory, { recursive: true });
  });
  const [endpoint] = await once(createInterface(child.stdout), 'line');
  const admin = async (method, path, document) => {
    const body = document === undefined ? undefined : JSON.stringify(document);
    const response = await fetch(`${endpoint}/.admin/${path}`, { method, body });
    if (!response.ok) throw new Error(await response.text());
    return response;
  };
  return {
    endpoint,
    directory,
    settings: { endpoint, region: 'us-east-1', credentials },
    file(size) {
      const path = join(directory, 'archive ü');
      writeFileSync(path, content(size));
      return path;
    },
    async archive(id) {
      return Buffer.from(await (await admin('GET', `archives/${encodeURIComponent(id)}/data`)).arrayBuffer());
    },
    async requests(operation) {
      const requests = await (await admin('GET', 'requests')).json();
      return requests.filter((request) => !operation || request.operation === operation);
    },
    fault: (operation, action, times = 1) => admin('POST', 'faults', { operation, action, times }),
    token: (token) => admin('POST', 'token', { session_token: token }),
  };
}

/** Returns `size` bytes in which no two parts are equal. */
function content(size) {
  const bytes = Buffer.alloc(Math.ceil(size / 4) * 4);
  for (let index = 0; index < bytes.length; index += 4) bytes.writeUInt32BE(index / 4, index);
  return bytes.subarray(0, size);
}

module.exports = { MIB, VAULT, content, credentials, start };
