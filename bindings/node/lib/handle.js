'use strict';

// The handles of the library. Calls on worker threads use a handle while JavaScript runs. Only this file frees clients and
// uploads, after the last of these calls has returned.

const { functions } = require('./native');
const { call, callAsync } = require('./errors');

/** Closes the handles of objects that the program did not close. */
const forgotten = new FinalizationRegistry((handle) => handle.close());
/** The handles that calls on worker threads use. */
const busy = new Set();

// At its exit, the process waits for its worker threads, and so for these calls.
process.on('exit', () => busy.forEach((handle) => handle.cancel()));

/**
 * A client or upload of the library. It has no reference to its owner, the object of the program. It is freed when it is
 * closed, or its owner is collected, and nothing holds it.
 */
class Handle {
  /** Takes a handle of the library. `type` is `client` or `upload`. */
  constructor(owner, type, address) {
    this._type = type;
    this._address = address;
    this._holds = 0;
    this._calls = 0;
    this._isClosed = false;
    this._kept = null;
    this._stopListeners = new Set();
    this._freed = new Promise((resolve) => { this._reportFreed = resolve; });
    forgotten.register(owner, this, this);
  }

  get isFreed() { return this._address === null; }

  /** The address, for a call that returns before other JavaScript runs. */
  get address() {
    if (this.isFreed) throw this._closedError();
    return this._address;
  }

  /** Returns the handle, if it is not closed. */
  open() {
    if (this._isClosed) throw this._closedError();
    return this;
  }

  /** Keeps memory that the library reads until the handle is freed, instead of memory kept before. */
  keep(memory) { this._kept = memory; }

  /** Keeps the handle until `release`, also if it is closed. */
  hold() {
    if (this.isFreed) throw this._closedError();
    this._holds += 1;
  }

  release() {
    this._holds -= 1;
    if (!this._isClosed) return;
    if (this._holds === 0) this._free();
    // A cancel stops the calls in progress. Others may have been queued.
    else this._cancelClosed();
  }

  /** Calls a function on this handle. */
  call(name, ...parameters) { call(name, this.address, ...parameters); }

  /** As `call`, on a worker thread. Holds the handle until the function has returned. */
  async callAsync(name, ...parameters) {
    this.hold();
    this._calls += 1;
    busy.add(this);
    try {
      await callAsync(name, this._address, ...parameters);
    } finally {
      this._calls -= 1;
      if (this._calls === 0) busy.delete(this);
      this.release();
    }
  }

  /** As `callAsync`, for a function that stores a handle in the parameter before the error. Returns the handle. */
  async createAsync(name, ...parameters) {
    const out = [null];
    await this.callAsync(name, ...parameters, out);
    return out[0];
  }

  /** Stops the calls in progress or, if there are none, the next call. */
  cancel() {
    if (this.isFreed) return;
    functions[`${this._type}_cancel`](this._address);
    this.reportStop();
  }

  /** Calls a function after each cancel and abort, and when the handle is closed. Returns a function that ends this. */
  onStop(listener) {
    this._stopListeners.add(listener);
    return () => this._stopListeners.delete(listener);
  }

  /** Calls the listeners of `onStop`. */
  reportStop() { this._stopListeners.forEach((listener) => listener()); }

  /** Makes new calls fail. Stops an upload; the calls of a client continue. */
  close() {
    if (this._isClosed) return;
    this._isClosed = true;
    forgotten.unregister(this);
    // The listeners use the handle.
    this.hold();
    this.reportStop();
    this.release();
  }

  /** Closes the handle, and waits until it is freed. */
  async closeAndWait() {
    this.close();
    await this._freed;
  }

  _cancelClosed() {
    if (this._type === 'upload') this.cancel();
  }

  _free() {
    functions[`${this._type}_free`](this._address);
    this._address = null;
    this._kept = null;
    this._reportFreed();
  }

  _closedError() { return new TypeError(`the ${this._type} is closed`); }
}

module.exports = { Handle };
