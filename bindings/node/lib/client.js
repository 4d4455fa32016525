'use strict';

const { functions } = require('./native');
const { hold } = require('./callbacks');
const { call, create, explainAbort } = require('./errors');
const { quoted } = require('./escape');
const { Handle } = require('./handle');
const { CredentialsCache } = require('./credentials');
const { Upload } = require('./upload');

const LEVELS = ['off', 'error', 'warn', 'info', 'debug'];
const SETTERS = {
  region: 'config_set_region',
  endpoint: 'config_set_endpoint',
  accountId: 'config_set_account_id',
  profile: 'config_set_profile',
  proxy: 'config_set_proxy',
  caFile: 'config_set_ca_file',
  userAgent: 'config_set_user_agent',
  concurrency: 'config_set_concurrency',
  maxAttempts: 'config_set_max_attempts',
  memoryLimit: 'config_set_memory_limit',
  bandwidthLimit: 'config_set_bandwidth_limit',
  connectTimeoutMs: 'config_set_connect_timeout_ms',
  stallTimeoutMs: 'config_set_stall_timeout_ms',
  giveUpAfterMs: 'config_set_give_up_after_ms',
};
const OPTIONS = new Set([...Object.keys(SETTERS), 'credentials', 'log', 'logLevel']);

/** A client of the service. `index.d.ts` describes its members. */
class Client {
  constructor(options = {}) {
    this._credentials = null;
    const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
    if (unknown) throw new TypeError(`unknown option ${quoted(unknown)}`);
    const config = functions.config_new();
    if (!config) throw new Error('out of memory');
    try {
      this._configure(config, options);
      this._handle = new Handle(this, 'client', create('client_new', config));
    } finally {
      functions.config_free(config);
    }
  }

  createUpload(vault, options) { return new Upload(this, vault, options); }

  async upload(vault, source, { signal, onProgress, ...options } = {}) {
    const upload = this.createUpload(vault, options);
    try {
      return await upload.run(source, { signal, onProgress });
    } finally {
      upload.close();
    }
  }

  createWriteStream(vault, { signal, onProgress, ...options } = {}) {
    const upload = this.createUpload(vault, options);
    const stream = upload.createWriteStream({ signal, onProgress });
    stream.once('close', () => upload.close());
    return stream;
  }

  async listUploads(vault, { signal } = {}) {
    signal?.throwIfAborted();
    await this._credentials?.refresh();
    signal?.throwIfAborted();
    const handle = this._open();
    const cancel = () => handle.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    let uploads;
    try {
      uploads = await handle.createAsync('client_list_uploads', vault);
    } catch (error) {
      throw this._explain(explainAbort(error, signal));
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
    try {
      return Array.from({ length: Number(functions.uploads_count(uploads)) }, (_, index) => ({
        uploadId: functions.uploads_id(uploads, index),
        description: functions.uploads_description(uploads, index),
        created: new Date(Number(functions.uploads_created_unix(uploads, index)) * 1000),
        partSize: Number(functions.uploads_part_size(uploads, index)),
      }));
    } finally {
      functions.uploads_free(uploads);
    }
  }

  close() { this._handle.close(); }

  async [Symbol.asyncDispose]() { this.close(); }

  _open() { return this._handle.open(); }

  /** Adds the error of the credentials function, which the library cannot know, as the cause. */
  _explain(error) {
    const failure = this._credentials?.takeFailure();
    if (failure && ['GLACIER_E_CALLBACK', 'GLACIER_E_CREDENTIALS'].includes(error.code)) error.cause = failure;
    return error;
  }

  _configure(config, options) {
    for (const [name, setter] of Object.entries(SETTERS)) {
      if (options[name] !== undefined) call(setter, config, options[name]);
    }
    const { credentials, log, logLevel = 'warn' } = options;
    if (typeof credentials === 'function') {
      this._credentials = new CredentialsCache(credentials);
      this._credentials.install(config);
    } else if (credentials) {
      const { accessKeyId, secretAccessKey, sessionToken } = credentials;
      call('config_set_credentials', config, accessKeyId, secretAccessKey, sessionToken ?? null);
    }
    if (log) {
      const level = LEVELS.indexOf(logLevel);
      if (level < 0) throw new TypeError(`unknown log level ${quoted(String(logLevel))}: use one of ${LEVELS.join(', ')}`);
      const deliver = (_userData, lineLevel, message) => {
        try {
          log(LEVELS[lineLevel], message);
        } catch (error) {
          // An exception must not leave the callback. It is thrown on its own.
          setImmediate(() => { throw error; });
        }
      };
      call('config_set_log', config, level, ...hold('log', deliver));
    }
  }
}

module.exports = { Client };
