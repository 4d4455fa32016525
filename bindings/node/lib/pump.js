'use strict';

// Passes the chunks of an async iterable to an upload stream. `pipeline` of Node.js asks for more chunks before it has
// written the chunks that it holds: an iterable that reuses its buffer would overwrite them.

const { once } = require('node:events');
const { bytes } = require('./arguments');

/** Returns the iterator of a source. That of a ReadableStream cannot be stopped while it reads; its reader can. */
function iterate(source) {
  if (typeof source.getReader !== 'function') return source[Symbol.asyncIterator]();
  const reader = source.getReader();
  return {
    async next() {
      const result = await reader.read();
      if (result.done) reader.releaseLock();
      return result;
    },
    async return() {
      await reader.cancel();
      reader.releaseLock();
    },
  };
}

/** Runs a function of the source, and waits for it. The first error of the upload precedes the error of the function. */
async function ignoringErrors(run) {
  try {
    await run();
  } catch {
    // The caller reports the first error.
  }
}

/** Ends a source that is not at its end. `iterator` is null if it has none, or its own error ended it. */
async function stop(source, iterator, isReading) {
  // A generator that reads does not return before it has read.
  if ((isReading || !iterator) && typeof source.destroy === 'function') {
    ignoringErrors(() => source.once?.('error', () => {}));
    ignoringErrors(() => source.destroy());
  }
  const stopped = ignoringErrors(() => iterator?.return?.());
  if (!isReading) await stopped;
}

/**
 * Writes the chunks of a source to a stream, and ends the stream. Rejects with the first error of the source and of the
 * stream, after both have ended.
 */
async function pump(source, stream) {
  let failure = null;
  let interrupt = () => {};
  stream.on('error', (error) => {
    failure ??= { error };
    interrupt(error);
  });
  const closed = new Promise((resolve) => { stream.once('close', resolve); });
  /** Waits for a promise, or an error of the stream. */
  const wait = (promise) => new Promise((resolve, reject) => {
    interrupt = reject;
    Promise.resolve(promise).then(resolve, reject);
    if (failure) reject(failure.error);
  });
  let iterator = null;
  let isReading = false;
  const read = async () => {
    isReading = true;
    try {
      return await iterator.next();
    } catch (error) {
      iterator = null;
      throw error;
    } finally {
      isReading = false;
    }
  };
  try {
    stream.observe(source);
    iterator = iterate(source);
    for (;;) {
      const { done, value } = await wait(read());
      if (done) break;
      const [chunk, length] = bytes('a chunk of the source', value);
      if (length === 0) continue;
      // A chunk of this size is written when the stream drains. The source may reuse the memory of a smaller one before.
      const isSmall = length < stream.writableHighWaterMark;
      if (!stream.write(isSmall ? new Uint8Array(chunk) : chunk)) await wait(once(stream, 'drain'));
    }
    iterator = null;
    stream.end();
    await wait(closed);
  } catch (error) {
    stream.destroy(error);
    await stop(source, iterator, isReading);
    await closed;
    throw error;
  }
}

module.exports = { pump };
