// From handlers that return or throw to what gRPC wants: answers and statuses.

import { statusOf } from './errors.js';
import { log, masked } from './log.js';

// Serve a unary call by `handle(request, call)`, which returns the answer or throws.
export function unary(life, rpc, requestType, handle) {
  return async (call, callback) => {
    note(rpc, requestType, call.request);
    try {
      callback(null, await handle(call.request, call));
    } catch (thrown) {
      callback(statusOf(thrown, life.name, rpc));
    }
  };
}

// Serve a stream by `handle(request, call)`, which writes to `call` and returns at the end, or throws.
export function streaming(life, rpc, requestType, handle) {
  return async (call) => {
    note(rpc, requestType, call.request);
    try {
      await handle(call.request, call);
      call.end();
    } catch (thrown) {
      call.emit('error', statusOf(thrown, life.name, rpc));
    }
  };
}

// Write one message of a stream, and wait while the other side reads slower than this one writes.
export async function write(call, message) {
  if (call.cancelled || call.write(message)) return;
  await new Promise((resolve) => {
    call.once('drain', resolve);
    call.once('cancelled', resolve);
  });
}

// Tell whether nobody waits for the answer any more.
export function isOver(call) {
  const deadline = call.getDeadline();
  return call.cancelled || (deadline !== undefined && Number(deadline) <= Date.now());
}

function note(rpc, requestType, request) {
  if (log.debugs) log.debug('call', { rpc, request: masked(`jackfield.driver.v1.${requestType}`, request) });
}
