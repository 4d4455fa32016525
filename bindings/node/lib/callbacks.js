'use strict';

// Callbacks that the library keeps. The library reports when it no longer needs one.

const { koffi, callbacks } = require('./native');

/** The release functions of callbacks that the library holds, by the value of `user_data`. */
const held = new Map();
let last = 0n;

// Never unregistered: handles can be freed at any time. The library may call it on any of its threads; the call is then
// delivered to the event loop.
const destroy = koffi.register((userData) => {
  const release = held.get(userData);
  held.delete(userData);
  // The library is still inside the callback's trampoline.
  if (release) setImmediate(release);
}, callbacks.destroy);

/**
 * Registers a function as a callback of the library. Returns the parameters `callback`, `user_data` and `destroy`. The
 * library calls `destroy` once, after the last use. `released` runs afterwards.
 */
function hold(kind, callback, released = () => {}) {
  const address = koffi.register(callback, callbacks[kind]);
  last += 1n;
  held.set(last, () => {
    koffi.unregister(address);
    released();
  });
  return [address, last, destroy];
}

module.exports = { hold };
