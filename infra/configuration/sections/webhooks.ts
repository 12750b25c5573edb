import type { z } from 'zod';
import { decimal, flag, list, network, section, whole } from '../fields.ts';

export const webhooks = {
  webhooks: section('What is told to others by webhooks, and how often it is tried.', {
    concurrency: whole(
      'To how many targets a process delivers at once; of each, one delivery after the other.',
      1,
      1000,
    ).default(32),
    per_second: whole(
      'How many attempts of a process begin in a second, at most; a tenth of them repeated ones.',
      1,
      10_000,
    ).default(200),
    first_pause_seconds: decimal(
      'After which pause a delivery is tried again that its target has not taken; each next pause is twice as long, up to an hour.',
      0.01,
      3600,
    ).default(5),
    retry_hours: whole('For how long a delivery is tried that its target does not take.', 1, 720).default(72),
    allowed_addresses: list(
      'Addresses and networks (`10.0.0.0/8`) that may be asked, whatever else is said of them: also of this machine itself and of its link, which are refused otherwise. A name is judged by what it stands for when something is sent.',
      network,
    ).prefault([]),
    denied_addresses: list(
      'Addresses and networks that must not be asked, unless they are among `allowed_addresses`.',
      network,
    ).prefault([]),
    attempts_days: whole(
      'For how long it is kept what attempts have sent and got. What came of them stays in the record.',
      1,
      3650,
    ).default(30),
    deliveries_days: whole(
      'For how long deliveries that are over are listed, and can be delivered again; at least `webhooks.attempts_days`.',
      30,
      3650,
    ).default(90),
  }).prefault({}),
  notification: section('Webhooks, by the keys of Harbor.', {
    webhook_job_max_retry: whole(
      'How often a delivery is tried again at most; without it, for as long as `webhooks.retry_hours` says.',
      0,
      1000,
    ).optional(),
    webhook_job_http_client_timeout: whole('How long an attempt may take, in seconds.', 1, 60).default(3),
  }).prefault({}),
  network: section('What may be asked in networks.', {
    allow_private_network_access: flag(
      'Whether webhooks may be sent to private networks (RFC 1918, RFC 4193), unless they are among `webhooks.denied_addresses`.',
    ).default(true),
  }).prefault({}),
} satisfies z.core.$ZodShape;
