// How a driver says no.
//
// Two kinds, and they must not be mixed up. A `ChangeError` concerns one change: it
// becomes that change's result, and the others of the batch go on. A `Refusal`
// concerns the whole call: it becomes a status, and nothing of the call was looked
// at. Everything else that is thrown is a fault of this driver. Its text may hold an
// address or a credential, so it stays in the log.
//
// Client libraries make many status codes by themselves. The core takes a status for
// a word of the driver only if "grpc-status-details-bin" holds a google.rpc.Status
// with an ErrorInfo whose domain is the driver's name.

import { Metadata, status } from '@grpc/grpc-js';
import { duration, encode } from './contract.js';
import { log } from './log.js';

export class ChangeError extends Error {
  // `disposition` is "RETRY", "INFEASIBLE", "CONFLICT" or "BUG"; `effect` is what may
  // have happened on the device: "NONE", "MAYBE" or "PARTIAL"; `retryAfter` is in seconds.
  constructor(disposition, reason, message, { effect = 'NONE', retryAfter, userMessage = '' } = {}) {
    super(message);
    Object.assign(this, { disposition, reason, effect, retryAfter, userMessage });
  }
}

// The change of a precommit must not be made; `field` names an attribute at fault.
export class Rejected extends Error {
  constructor(reason, message, field = '') {
    super(message);
    Object.assign(this, { reason, field });
  }
}

export class Refusal extends Error {
  // `violations` names the fields of the request that are wrong: {field: description}.
  constructor(code, reason, message, { violations = {}, retryAfter } = {}) {
    super(message);
    Object.assign(this, { code, reason, violations, retryAfter });
  }
}

export const draining = () => new Refusal(status.UNAVAILABLE, 'DRAINING', 'this driver process is draining');
export const notLoaded = (why) => new Refusal(status.FAILED_PRECONDITION, 'LOAD_ERROR', why);
export const wrongField = (reason, field, description) =>
  new Refusal(status.INVALID_ARGUMENT, reason, `${field}: ${description}`, { violations: { [field]: description } });

// Return the contract's Error for whatever was thrown while one change was worked on.
export function errorOf(thrown, where) {
  if (!(thrown instanceof ChangeError)) {
    log.error('change.failed', { ...where, trace: thrown?.stack ?? String(thrown) });
    thrown = new ChangeError('BUG', 'DRIVER_BUG', 'the driver failed; its log has the trace', { effect: 'MAYBE' });
  }
  return {
    disposition: `DISPOSITION_${thrown.disposition}`,
    reason: thrown.reason,
    userMessage: thrown.userMessage,
    operatorMessage: thrown.message,
    retryAfter: thrown.retryAfter === undefined ? undefined : duration(thrown.retryAfter),
    effect: `EFFECT_${thrown.effect}`,
  };
}

// Return the status for whatever was thrown while a whole call was worked on.
export function statusOf(thrown, driverName, rpc) {
  if (!(thrown instanceof Refusal)) {
    log.error('call.failed', { rpc, trace: thrown?.stack ?? String(thrown) });
    // Without ErrorInfo: the core then knows that nobody knows what happened.
    return { code: status.INTERNAL, details: 'the driver failed; its log has the trace' };
  }
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', richStatus(thrown, driverName));
  return { code: thrown.code, details: thrown.message, metadata };
}

function richStatus(refusal, driverName) {
  const details = [any('google.rpc.ErrorInfo', { reason: refusal.reason, domain: driverName })];
  const fieldViolations = Object.entries(refusal.violations).map(([field, description]) => ({ field, description }));
  if (fieldViolations.length) details.push(any('google.rpc.BadRequest', { fieldViolations }));
  if (refusal.retryAfter !== undefined) {
    details.push(any('google.rpc.RetryInfo', { retryDelay: duration(refusal.retryAfter) }));
  }
  return encode('google.rpc.Status', { code: refusal.code, message: refusal.message, details });
}

function any(type, value) {
  return { type_url: `type.googleapis.com/${type}`, value: encode(type, value) };
}
