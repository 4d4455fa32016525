'use strict';

const { call } = require('./errors');
const { hold } = require('./callbacks');

const CONTINUE = 1;
const STOP = 0;
/**
 * The function is called again when the credentials have less than this left, in milliseconds, or half of their life if
 * that is shorter.
 */
const REFRESH_BEFORE = 10 * 60 * 1000;

/**
 * The credentials that a function returns, possibly as a promise. The library asks for credentials inside a callback,
 * which cannot wait for a promise. So this class asks the function before an upload starts, and again in the background
 * while one runs. The library gets the latest credentials.
 */
class CredentialsCache {
  constructor(source) {
    this._source = source;
    this._latest = null;
    this._refreshAt = -Infinity;
    this._pending = null;
    this._failure = null;
  }

  /** Sets the provider of a config. */
  install(config) {
    const provide = (userData, out) => {
      try {
        if (!this._latest) return STOP;
        const { accessKeyId, secretAccessKey, sessionToken } = this._latest;
        call('credentials_set', out, accessKeyId, secretAccessKey, sessionToken ?? null, this._expires());
        return CONTINUE;
      } catch (error) {
        this._failure = error;
        return STOP;
      }
    };
    call('config_set_credentials_provider', config, ...hold('credentials', provide));
  }

  /** Asks the function if there are no credentials, or if they expire soon. */
  async refresh() {
    if (Date.now() < this._refreshAt) return;
    this._pending ??= Promise.resolve()
      .then(() => this._source())
      .then((credentials) => {
        this._latest = credentials;
        this._refreshAt = refreshTime(credentials);
      })
      .finally(() => {
        this._pending = null;
      });
    await this._pending;
  }

  /** As `refresh`, while an upload runs: the old credentials stay in use if the function fails. */
  refreshInBackground() {
    this.refresh().catch((error) => {
      this._failure = error;
    });
  }

  /** Returns the last error of the function, and forgets it. */
  takeFailure() {
    const failure = this._failure;
    this._failure = null;
    return failure;
  }

  _expires() {
    const { expiration } = this._latest;
    return expiration ? Math.floor(new Date(expiration).getTime() / 1000) : 0;
  }
}

function refreshTime({ expiration }) {
  if (!expiration) return Infinity;
  const expires = new Date(expiration).getTime();
  return expires - Math.min(REFRESH_BEFORE, (expires - Date.now()) / 2);
}

module.exports = { CredentialsCache };
