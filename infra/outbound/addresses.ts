import { BlockList, isIP } from 'node:net';

/**
 * Where no other machine of an operator is: the addresses of the link, where clouds give out the credentials of the
 * machine to whoever asks, and those that are nobody's.
 */
export const nobodys = [
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/3',
  '::/128',
  'fe80::/10',
  'ff00::/8',
  // Where other clouds give them out: Alibaba, Oracle, Amazon and Google in IPv6.
  '100.100.100.200/32',
  '192.0.0.192/32',
  'fd00:ec2::/32',
  'fd20:ce::/32',
  // Azure's, which tells a machine what it is configured with.
  '168.63.129.16/32',
  // Forms of IPv6 that stand for an address of IPv4 wherever a gateway or a tunnel wants them to, or that nobody gives out
  // any more: of translation (RFC 8215, RFC 2765), Teredo (RFC 4380), and of a site (RFC 3879).
  '64:ff9b:1::/48',
  '::ffff:0:0:0/96',
  '2001::/32',
  'fec0::/10',
] as const;

/** The machine itself, where services listen that trust whoever reaches them. */
export const loopback = ['127.0.0.0/8', '::1/128'] as const;

/** What an organisation has for itself, and a carrier for its customers. */
export const privateNetworks = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  'fc00::/7',
] as const;

/**
 * @param networks addresses and networks in CIDR notation
 * @returns Whether an address is in one of them, also one of IPv6 that a gateway or a tunnel would turn into an address of
 * IPv4 in one of them. False for what is no address.
 */
export function inNetworks(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', written] = network.split('/');
    if (isIP(address) === 6) {
      list.addSubnet(address, Number(written ?? 128), 'ipv6');
      continue;
    }
    const length = Number(written ?? 32);
    list.addSubnet(address, length, 'ipv4');
    // NAT64 (RFC 6052), and the forms that nothing should send any more: 6to4 and IPv4-compatible.
    list.addSubnet(`64:ff9b::${address}`, 96 + length, 'ipv6');
    list.addSubnet(`2002:${hexOf(address)}::`, 16 + length, 'ipv6');
    // The one of no length would be all of IPv6.
    if (length > 0) list.addSubnet(`::${address}`, 96 + length, 'ipv6');
  }
  return (address) => {
    // What a link is reached by does not tell one address from another.
    const [plain = ''] = address.split('%');
    const family = isIP(plain);
    return family !== 0 && list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
  };
}

function hexOf(address: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number);
  return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

export interface OutboundRules {
  /** Networks that may be asked, whatever else is said of them. */
  readonly allowed: readonly string[];
  /** Networks that must not be asked. */
  readonly denied: readonly string[];
}

/** Whether an address may be asked; those of private networks may, for most of what is asked is there. */
export function mayAsk({ allowed, denied }: OutboundRules): (address: string) => boolean {
  const isAllowed = inNetworks(allowed);
  const isDenied = inNetworks([...nobodys, ...loopback, ...denied]);
  return (address) => isIP(address.split('%')[0] ?? '') !== 0 && (isAllowed(address) || !isDenied(address));
}
