import type { z } from 'zod';
import { section, whole } from '../fields.ts';
import { eventsNats } from './events-nats.ts';

export const events = {
  events: section('How others follow what happens: clients at `GET /api/v2.0/events`, and NATS.', {
    heartbeat_seconds: whole(
      'How long a stream says nothing at the most, so that proxies and clients know that it is alive.',
      1,
      300,
    ).default(15),
    max_streams: whole(
      'The most clients of a process that wait for events at a time, by streams or by long polling.',
      0,
      100_000,
    ).default(2000),
    max_streams_per_account: whole(
      'Of those, the most of one user or robot account; without a login, of one address.',
      0,
      100_000,
    ).default(50),
    nats: eventsNats,
  }).prefault({}),
} satisfies z.core.$ZodShape;
