'use strict';

const { fstatSync, statSync } = require('node:fs');
const { fileURLToPath } = require('node:url');
const { pipeline } = require('node:stream/promises');
const { functions } = require('./native');
const { hold } = require('./callbacks');
const { GlacierError, call, callAsync, createAsync, create } = require('./errors');
const { Watch, readProgress } = require('./progress');
const { UploadStream } = require('./stream');

const FOREVER = 0xffffffffffffffffn;
const STATES = ['new', 'initiated', 'transferring', 'completing', 'completed', 'aborted', 'unknown'];
/** Frees the handles of uploads that the program did not close. */
const forgotten = new FinalizationRegistry((handle) => functions.upload_free(handle));

const isBytes = (source) => source instanceof Uint8Array;
const isStream = (source) => typeof source?.[Symbol.asyncIterator] === 'function';

/** Returns whether a stream reads the file of the journal. The library cannot detect it: it gets only bytes. */
function readsJournal(stream, journal) {
  if (journal === undefined) return false;
  try {
    const bigint = true;
    const read = typeof stream.fd === 'number' ? fstatSync(stream.fd, { bigint }) : statSync(stream.path, { bigint });
    const other = statSync(journal, { bigint });
    return read.dev === other.dev && read.ino === other.ino;
  } catch {
    return false;
  }
}

/** One multipart upload. `index.d.ts` describes its members. */
class Upload {
  constructor(client, vault, options = {}) {
    this._client = client;
    this._vault = vault;
    this._journal = options.journal;
    this._source = undefined;
    this._handle = create('upload_new', client._openHandle(), vault);
    forgotten.register(this, this._handle, this);
    try {
      this._apply(options);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get vault() { return this._vault; }
  get id() { return functions.upload_id(this._open()); }
  get archiveId() { return functions.upload_archive_id(this._open()); }
  get treeHash() { return functions.upload_tree_hash(this._open()); }
  get partSize() { return Number(functions.upload_part_size(this._open())) || null; }
  get state() { return STATES[functions.upload_state(this._open())] ?? 'unknown'; }

  progress() { return readProgress(this._open()); }

  cancel() { functions.upload_cancel(this._open()); }

  setBandwidthLimit(bytesPerSecond) { call('upload_set_bandwidth_limit', this._open(), bytesPerSecond); }

  async run(source, { signal, onProgress } = {}) {
    signal?.throwIfAborted();
    if (isStream(source) && !isBytes(source)) {
      await pipeline(source, this.createWriteStream({ signal, onProgress }));
      return this._archive();
    }
    if (source !== undefined) this._setSource(source);
    const credentials = this._client._credentials;
    await credentials?.refresh();
    const watch = new Watch(this._open(), { signal, onProgress }, () => credentials?.refreshInBackground());
    try {
      await this._start();
      // The run has ended. This returns its result at once.
      await callAsync('upload_wait', this._open(), FOREVER);
    } catch (error) {
      watch.end();
      throw this._client._explain(watch.explain(error));
    }
    watch.end();
    return this._archive();
  }

  createWriteStream({ signal, onProgress } = {}) {
    const stream = new UploadStream(this, { signal, onProgress });
    stream.on('pipe', (source) => {
      if (!readsJournal(source, this._journal)) return;
      const message = `the journal ${JSON.stringify(this._journal)} is the source file: set another path for the journal`;
      const none = { operation: null, httpStatus: null, serviceCode: null, requestId: null };
      const code = 'GLACIER_E_INVALID';
      stream.destroy(new GlacierError({ message, code, ...none, isRetryable: false, isResumable: false }));
    });
    return stream;
  }

  async listParts() {
    await this._client._credentials?.refresh();
    const parts = await createAsync('upload_list_parts', this._open());
    try {
      return Array.from({ length: Number(functions.parts_count(parts)) }, (_, index) => ({
        offset: Number(functions.parts_offset(parts, index)),
        length: Number(functions.parts_length(parts, index)),
        treeHash: functions.parts_tree_hash(parts, index),
      }));
    } finally {
      functions.parts_free(parts);
    }
  }

  async abort() {
    await this._client._credentials?.refresh();
    await callAsync('upload_abort', this._open());
  }

  close() {
    if (!this._handle) return;
    forgotten.unregister(this);
    functions.upload_free(this._handle);
    this._handle = null;
    this._source = undefined;
  }

  async [Symbol.asyncDispose]() { this.close(); }

  _open() {
    if (!this._handle) throw new TypeError('the upload is closed');
    return this._handle;
  }

  _apply(options) {
    const setters = {
      description: 'upload_set_description',
      partSize: 'upload_set_part_size',
      archiveSize: 'upload_set_archive_size',
      expectedSize: 'upload_set_expected_size',
      uploadId: 'upload_set_upload_id',
      journal: 'upload_set_journal',
      bandwidthLimit: 'upload_set_bandwidth_limit',
    };
    for (const [name, setter] of Object.entries(setters)) {
      if (options[name] !== undefined) call(setter, this._handle, options[name]);
    }
  }

  _setSource(source) {
    if (typeof source === 'string') call('upload_set_source_file', this._open(), source);
    else if (source instanceof URL) call('upload_set_source_file', this._open(), fileURLToPath(source));
    else if (isBytes(source)) {
      call('upload_set_source_memory', this._open(), source, source.byteLength);
      // The library reads the memory until the handle is freed.
      this._source = source;
    } else throw new TypeError('the source must be a path, a file URL, a Uint8Array or an async iterable of Uint8Array');
  }

  /** Starts the run, and waits until the library no longer needs the callback. */
  _start() {
    return new Promise((resolve, reject) => {
      let failure = null;
      const parameters = hold('done', () => {}, () => (failure ? reject(failure) : resolve()));
      try {
        call('upload_start', this._open(), ...parameters);
      } catch (error) {
        failure = error;
      }
    });
  }

  _archive() {
    const handle = this._open();
    return {
      archiveId: functions.upload_archive_id(handle),
      location: functions.upload_archive_location(handle),
      treeHash: functions.upload_tree_hash(handle),
      uploadId: functions.upload_id(handle),
    };
  }
}

module.exports = { Upload };
