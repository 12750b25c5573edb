import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf } from '../gateway/network.ts';

const networks: Readonly<Record<string, string>> = {
  '192.0.2.1': '192.0.2.1',
  '::ffff:192.0.2.1': '192.0.2.1',
  '2001:db8:1:2:3:4:5:6': '2001:db8:1:2',
  '2001:db8:1:2::6': '2001:db8:1:2',
  '2001:db8::6': '2001:db8:0:0',
  '::1': '0:0:0:0',
};
for (const [address, network] of Object.entries(networks)) {
  test(`the network of ${address} is ${network}`, () => assert.equal(networkOf(address), network));
}
