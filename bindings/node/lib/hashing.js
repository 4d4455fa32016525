'use strict';

const { functions } = require('./native');
const { bytes, count32, count64, options, path } = require('./arguments');
const { call, callAsync, create } = require('./errors');

/** Returns the tree hash of bytes, as 64 hexadecimal digits. */
function treeHash(data) {
  const parameters = bytes('data', data);
  const hash = functions.treehash_new();
  if (!hash) throw new Error('out of memory');
  try {
    const out = Buffer.alloc(32);
    call('treehash_update', hash, ...parameters);
    call('treehash_finish', hash, out);
    return out.toString('hex');
  } finally {
    functions.treehash_free(hash);
  }
}

/** Returns the tree hash of a file, as 64 hexadecimal digits. */
async function treeHashFile(file, given = {}) {
  const name = path('path', file);
  const { threads = 0 } = options(given, { threads: count32 });
  const out = Buffer.alloc(32);
  await callAsync('treehash_file', name, threads, null, null, out);
  return out.toString('hex');
}

/** Returns how an archive is divided into parts. */
function plan(size, given = {}) {
  const { partSize = 0, concurrency = 8 } = options(given, { partSize: count64, concurrency: count32 });
  const handle = create('plan_new', count64('size', size), partSize);
  try {
    return {
      partSize: Number(functions.plan_part_size(handle)),
      partCount: functions.plan_part_count(handle),
      requestCount: functions.plan_request_count(handle),
      memory: Number(functions.plan_memory(handle, concurrency)),
    };
  } finally {
    functions.plan_free(handle);
  }
}

module.exports = { plan, treeHash, treeHashFile };
