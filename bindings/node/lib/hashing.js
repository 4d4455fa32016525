'use strict';

const { functions } = require('./native');
const { call, callAsync, create } = require('./errors');

/** Returns the tree hash of bytes, as 64 hexadecimal digits. */
function treeHash(data) {
  const hash = functions.treehash_new();
  if (!hash) throw new Error('out of memory');
  try {
    const out = Buffer.alloc(32);
    call('treehash_update', hash, data, data.byteLength);
    call('treehash_finish', hash, out);
    return out.toString('hex');
  } finally {
    functions.treehash_free(hash);
  }
}

/** Returns the tree hash of a file, as 64 hexadecimal digits. */
async function treeHashFile(path, { threads = 0 } = {}) {
  const out = Buffer.alloc(32);
  await callAsync('treehash_file', path, threads, null, null, out);
  return out.toString('hex');
}

/** Returns how an archive is divided into parts. */
function plan(size, { partSize = 0, concurrency = 8 } = {}) {
  const handle = create('plan_new', size, partSize);
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
