import assert from 'node:assert/strict';
import { test } from 'node:test';
import { webhookUrl } from '../../domain/webhook/address.ts';

test('an address leads to the URL that it is, of http where it has no scheme', () => {
  for (const [address, url] of [
    ['https://hooks.example.com/services/T0?x=1#y', 'https://hooks.example.com/services/T0?x=1#y'],
    ['hooks.example.com/x', 'http://hooks.example.com/x'],
    ['hooks.example.com:8443', 'http://hooks.example.com:8443/'],
    [' HTTP://[::1]:80/a@b ', 'http://[::1]/a@b'],
    ['example.com/?to=http://other', 'http://example.com/?to=http://other'],
  ] as const)
    assert.equal(webhookUrl(address)?.href, url, address);
});

test('what can be read in two ways, names a user or is no URL of http leads nowhere', () => {
  for (const address of [
    ...[
      '',
      'http://',
      'http:///evil',
      'http:/evil',
      'http:evil',
      'http:/\\evil',
      'http://a\\@evil',
      'https:evil',
    ],
    ...[
      'http://user:secret@example.com',
      'http://user@example.com',
      'http://@example.com',
      'user@example.com',
    ],
    ...['ftp://example.com', 'file:///etc/passwd', 'http://exa mple.com', 'http://a/\r\nb', 'http://\ud800'],
    ...['//evil', `http://a/${'x'.repeat(2048)}`, 'http://a:99999', 'javascript:alert(1)'],
  ])
    assert.equal(webhookUrl(address), undefined, address);
});
