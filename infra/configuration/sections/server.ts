import type { z } from 'zod';
import { hostname, listeningPort, notUsed, origin, path, secret, section, text, whole } from '../fields.ts';

export const server = {
  hostname: hostname('The host name by which clients reach the registry.').default('localhost'),
  external_url: origin(
    'The URL by which clients reach the registry when a proxy stands before it; replaces `hostname` and the ports in every link and token realm.',
  ).optional(),
  // The default is applied after `data` and `data_volume` have become one.
  data: path('The directory that holds everything that Shiplog keeps on this machine.')
    .meta({ default: './data' })
    .optional(),
  data_volume: path("Harbor's name for `data`.").optional(),
  secret_key: secret(
    'What secrets and personal data are encrypted with: at least 16 characters, the same for all processes of an installation. Without it a key is made in the file `secret-key` in `data`; whoever loses it loses what was encrypted.',
  )
    .refine((key) => key.reveal().length >= 16, { error: 'a secret of at least 16 characters' })
    .optional(),
  harbor_admin_password: secret(
    'The password of the user `admin` when it is created, on the first start only.',
  ).optional(),

  http: section('The plain HTTP listener.', {
    address: text('The address to listen on; `0.0.0.0` or `::` for all of them.').default('127.0.0.1'),
    port: listeningPort('The port for plain HTTP; 0 for any free one.').default(8080),
    relativeurls: notUsed('Links follow `external_url` or the request.'),
  }).prefault({}),

  https: section('The TLS listener, on the same address; there is one when this section is there.', {
    port: listeningPort('The port for HTTPS; 0 for any free one.').default(443),
    certificate: path('The certificate chain, a PEM file; required for HTTPS.'),
    private_key: path('The key of the certificate, a PEM file; required for HTTPS.'),
    strong_ssl_ciphers: notUsed('Only TLS 1.2 and later are offered, with the cipher suites of Node.js.'),
  }).optional(),

  views: section('The read models.', {
    wait_seconds: whole(
      'How long the answer to a write waits at most for the views to show it, in seconds.',
      0,
      300,
    ).default(10),
  }).prefault({}),
} satisfies z.core.$ZodShape;
