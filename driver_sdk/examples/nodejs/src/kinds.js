// The names of the contract and the ones this driver uses.

export const KINDS = {
  RESOURCE_KIND_NETWORK: 'network',
  RESOURCE_KIND_SUBNET: 'subnet',
  RESOURCE_KIND_PORT: 'port',
};

export const WIRE_KINDS = Object.fromEntries(Object.entries(KINDS).map(([wire, kind]) => [kind, wire]));

export const ACTIONS = {
  ACTION_CREATE: 'create',
  ACTION_UPDATE: 'update',
  ACTION_DELETE: 'delete',
};
