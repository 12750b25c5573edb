import type { z } from 'zod';
import {
  hostname,
  list,
  listeningPort,
  network,
  notUsed,
  origin,
  path,
  secret,
  section,
  text,
  whole,
} from '../fields.ts';

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
    trusted_proxies: list(
      'The addresses and networks (`10.0.0.0/8`) of the proxies whose X-Forwarded-For, -Proto and -Host are believed; from anybody else these headers are ignored.',
      network,
    ).prefault([]),
    max_connections: whole('The most connections that a listener has at a time.', 1, 1_000_000).default(
      20_000,
    ),
    max_connections_per_address: whole(
      'The most connections that one client address has at a time; trusted proxies are not counted.',
      1,
      1_000_000,
    ).default(5000),
    headers_timeout_seconds: whole(
      'How long a client may take for the headers of a request.',
      1,
      600,
    ).default(30),
    idle_timeout_seconds: whole(
      'How long a connection is kept for the next request; longer than a load balancer keeps it, which must be the one to close.',
      1,
      3600,
    ).default(75),
    body_timeout_seconds: whole(
      'After how long a client that sends less than `body_min_bytes_per_second` of a body is refused with 408; what was uploaded until then can be resumed.',
      1,
      3600,
    ).default(60),
    body_min_bytes_per_second: whole(
      'The rate below which a client is too slow with a body, in bytes per second.',
      1,
      1024 * 1024,
    ).default(256),
    send_timeout_seconds: whole(
      'How long a client may take nothing of an answer before its connection is closed.',
      1,
      3600,
    ).default(120),
    relativeurls: notUsed('Links follow `external_url` or the request.'),
  }).prefault({}),

  https: section('The TLS listener, on the same address; there is one when this section is there.', {
    port: listeningPort('The port for HTTPS; 0 for any free one.').default(443),
    certificate: path(
      'The certificate chain, a PEM file; required for HTTPS. It is read again when it changes, and on SIGHUP.',
    ),
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
