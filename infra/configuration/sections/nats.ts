import { z } from 'zod';
import { list, path, secret, section, text } from '../fields.ts';

const server = z.string({ error: 'nats://host:port' }).regex(/^((nats|tls|ws|wss):\/\/)?[^\s/@]+\/?$/, {
  error: 'nats://host:port, with user and password in keys of their own',
});

const streamExpected = 'letters, digits, - and _';

/** The name of a JetStream stream. */
export const streamName = (meaning: string) =>
  text(meaning, streamExpected).regex(/^[A-Za-z0-9_-]+$/, { error: streamExpected });

/** How NATS is reached, and who Shiplog is there. */
export const natsConnection = {
  servers: list('The servers, `nats://host:port`; `tls://` for TLS.', server).optional(),
  user: text('The user to log in as.').optional(),
  password: secret('The password of `user`.').optional(),
  token: secret('A token, instead of user and password.').optional(),
  creds: path('A credentials file (`.creds`), instead of user and password.').optional(),
  nkey: secret('The seed of an NKey (`SU…`), instead of user and password.').optional(),
  tls: section('Certificates for TLS.', {
    ca: path(
      'The authorities that sign the servers’ certificates, a PEM file; without it those of the system.',
    ).optional(),
    cert: path('The certificate that Shiplog shows to the servers, a PEM file.').optional(),
    key: path('The key of `cert`, a PEM file.').optional(),
  }).optional(),
} satisfies z.core.$ZodShape;
