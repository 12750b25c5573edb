import { BlockList, isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Whether the address is that of a proxy whose word counts. */
export type IsTrusted = (address: string) => boolean;

/** @param networks addresses and networks in CIDR notation, which were checked before. */
export function trustedProxies(networks: readonly string[]): IsTrusted {
  if (networks.length === 0) return () => false;
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', length] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (length === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(length), family);
  }
  // The list knows an IPv4 address also where a socket for both families writes it as one of IPv6.
  return (peer) => {
    // A link-local address may come with the name of its interface.
    const [address = ''] = peer.split('%', 1);
    const family = isIP(address);
    return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  };
}

/**
 * Removes what a client claims of itself in X-Forwarded-For, -Proto and -Host, unless its peer is a trusted proxy; of
 * a proxy's, what has no meaning. After it Fastify's `ip`, `protocol` and `host` can be believed.
 */
export function heedTrustedProxies(app: FastifyInstance, isTrusted: IsTrusted): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { headers, socket } = request.raw;
    const keep = (name: string, value: string | undefined): void => {
      if (value === undefined || !isTrusted(socket.remoteAddress ?? '')) delete headers[name];
      else headers[name] = value;
    };
    if (headers['x-forwarded-for'] !== undefined)
      keep('x-forwarded-for', addressesIn(String(headers['x-forwarded-for'])));
    if (headers['x-forwarded-proto'] !== undefined)
      keep('x-forwarded-proto', last(headers['x-forwarded-proto'], /^https?$/));
    if (headers['x-forwarded-host'] !== undefined)
      keep(
        'x-forwarded-host',
        last(headers['x-forwarded-host'], /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i),
      );
    done();
  });
}

/** Those at the end of the list that are addresses; some proxies write the port as well. */
function addressesIn(header: string): string | undefined {
  const addresses: string[] = [];
  for (const entry of header.split(',').reverse()) {
    const text = entry.trim();
    const [, bare = text] = /^\[([\da-f:.]+)\](?::\d+)?$/i.exec(text) ?? /^([\d.]+):\d+$/.exec(text) ?? [];
    if (isIP(bare) === 0) break;
    addresses.unshift(bare);
  }
  return addresses.length === 0 ? undefined : addresses.join(', ');
}

/** The entry that the nearest proxy has added. */
function last(header: string | string[], form: RegExp): string | undefined {
  const value = String(header).split(',').at(-1)?.trim() ?? '';
  return form.test(value) ? value : undefined;
}
