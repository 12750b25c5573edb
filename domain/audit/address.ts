import { z } from 'zod';

const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const ipv4 = new RegExp(`^${octet}(?:\\.${octet}){3}$`);
const ipv6 = z.ipv6();

/** 4 or 6; undefined for what is no address. */
export function familyOf(address: string): 4 | 6 | undefined {
  if (ipv4.test(address)) return 4;
  return address.includes(':') && ipv6.safeParse(address).success ? 6 : undefined;
}

/** As the audit log keeps addresses: without a zone, and IPv4 as such; null for what is no address. */
export function addressIn(address: string | undefined): string | null {
  const plain = address?.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '') ?? '';
  return familyOf(plain) === undefined ? null : plain;
}

/** An address, or a network as CIDR writes it. */
export const isNetwork = (text: string): boolean => {
  const [address = '', length, ...more] = text.split('/');
  const family = familyOf(address);
  if (family === undefined || more.length > 0) return false;
  return (
    length === undefined ||
    (/^(?:0|[1-9]\d{0,2})$/.test(length) && Number(length) <= (family === 4 ? 32 : 128))
  );
};
