import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import { inNetworks, nobodys } from '../outbound/addresses.ts';
import type { Reachability } from './port.ts';

/** How long all addresses of a name may take together, in milliseconds. */
const patienceMs = 3000;
/** Of a name that has many. */
const maxAddresses = 4;

/** All that a gateway would turn into an address of IPv4, whichever that is, is none that an operator writes down. */
const isForbidden = inNetworks([...nobodys, '64:ff9b::/96', '2002::/16']);

/** Connects to the very addresses that were looked at: a name may have others a moment later. */
export const tcpReachability: Reachability = {
  async reaches(address) {
    const [, bracketed, plain, written] = /^(?:\[([^\]]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(address) ?? [];
    const host = bracketed ?? plain;
    const port = Number(written);
    if (host === undefined || port < 1 || port > 65_535) return false;
    const late = AbortSignal.timeout(patienceMs);
    const found = await Promise.race([addressesOf(host), aborted(late).then(() => [])]);
    for (const at of found.slice(0, maxAddresses)) if (await opens(at, port, late)) return true;
    return false;
  },
};

async function addressesOf(host: string): Promise<readonly string[]> {
  const found = isIP(host) === 0 ? await lookup(host, { all: true }).catch(() => []) : [{ address: host }];
  return found
    .map(({ address }) => address)
    .filter((address) => isIP(address) !== 0 && !isForbidden(address));
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

function opens(host: string, port: number, late: AbortSignal): Promise<boolean> {
  if (late.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ host, port, autoSelectFamily: false });
    const end = (isOpen: boolean) => () => {
      late.removeEventListener('abort', isLate);
      socket.destroy();
      resolve(isOpen);
    };
    const isLate = end(false);
    late.addEventListener('abort', isLate);
    socket.once('connect', end(true)).on('error', end(false));
  });
}
