import { z } from 'zod';
import { isAuditOperation } from '../../../domain/audit/operations.ts';
import { catalogue } from '../../../domain/catalogue.ts';
import { choice, flag, path, secret, section, text, whole } from '../fields.ts';

const nameExpected = 'a name of small letters, digits and hyphens, 63 at most';
const urlExpected =
  'a URL without user, password and fragment: tcp://host:port or tls://host:port for syslog, http:// or https:// else';
const typeExpected =
  'an operation of the audit log, such as create_artifact, or a type of an event, such as TagMoved';

function isAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, port, hostname, username, password, hash, pathname, search } = new URL(text);
  if (username !== '' || password !== '' || hash !== '' || hostname === '') return false;
  if (protocol === 'http:' || protocol === 'https:') return true;
  return /^(?:tcp|tls):$/.test(protocol) && port !== '' && /^\/?$/.test(pathname) && search === '';
}

export const forwardingTarget = section(
  'A place that the audit log is sent to; see [Forwarding the audit log](audit-forwarding.md).',
  {
    name: text(
      'The name, by which it is remembered how far the target is, whatever else changes.',
      nameExpected,
    ).regex(/^[a-z0-9][a-z0-9-]{0,62}$/, { error: nameExpected }),
    type: choice('What it speaks.', ['syslog', 'splunk-hec', 'elasticsearch', 'otlp', 'http']),
    url: text(
      'Where it is: `tcp://host:port` or `tls://host:port` for syslog, an `http(s)` URL for all others.',
      urlExpected,
    ).refine(isAddress, { error: urlExpected }),
    ca: path('Certificates in PEM by which the target is known, in place of those of the system.').optional(),
    cert: path('A certificate in PEM, for targets that ask for one.').optional(),
    key: path('The private key of `cert` in PEM.').optional(),
    verify: flag('Whether the certificate of the target is checked.').default(true),
    token: secret(
      'Splunk’s token, an API key of Elasticsearch, or what `Authorization: Bearer` carries for `otlp` and `http`.',
    ).optional(),
    username: text('A user, for `elasticsearch`, `otlp` and `http`.').optional(),
    password: secret('The password of `username`.').optional(),
    signing_secret: secret(
      'For `http`: what requests are signed with, as Standard Webhooks says.',
    ).optional(),
    index: text(
      'The index: of Splunk, or of Elasticsearch, where it is `shiplog-audit` unless it is said.',
    ).optional(),
    format: choice(
      'The form of a message: `cef` or `json` for syslog, `ndjson` or `json` for `http`; the first unless it is said.',
      ['cef', 'json', 'ndjson'],
    ).optional(),
    acknowledged: flag(
      'For `splunk-hec`: whether what was sent counts only when indexers have it. The token has to have indexer acknowledgement.',
    ).default(false),
    gzip: flag('Whether requests are compressed.').default(false),
    timeout: whole('How long a connection or a request may take, in seconds.', 1, 600).default(30),
    batch_size: whole('How many messages are sent at once, at most.', 1, 10_000).default(500),
    batch_bytes: whole('About how many bytes are sent at once, at most.', 1024, 100_000_000).default(
      1_000_000,
    ),
    types: z
      .array(
        z
          .string({ error: typeExpected })
          .refine((name) => isAuditOperation(name) || catalogue.has(name), { error: typeExpected }),
        { error: 'a list' },
      )
      .meta({
        description:
          'What is sent, by operations of the audit log (`create_artifact`) or types of events (`TagMoved`); everything unless it is said.',
      })
      .default([]),
    from: choice(
      'Where a target begins that is new: with all that was ever recorded, or with what is to come.',
      ['now', 'beginning'],
    ).default('now'),
  },
);

const most = 16;

export const audit = {
  audit: section('The audit log.', {
    forward: z
      .array(forwardingTarget, { error: `a list of ${most} targets at most` })
      .max(most, { error: `a list of ${most} targets at most` })
      .meta({ description: 'Where the audit log is sent.' })
      .default([]),
  }).prefault({}),
} satisfies z.core.$ZodShape;
