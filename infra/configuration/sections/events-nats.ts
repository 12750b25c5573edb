import { z } from 'zod';
import { choice, duration, section, whole } from '../fields.ts';
import { natsConnection, streamName } from './nats.ts';

const prefixExpected = 'letters, digits, - and _ with dots between them, at most 100 characters';

/** `events.nats`. */
export const eventsNats = section(
  'Publication of the public events to a stream of NATS JetStream, whatever engine the event log has.',
  {
    ...natsConnection,
    stream: streamName('The name of the JetStream stream, which is made where it is not there.').default(
      'SHIPLOG_EVENTS',
    ),
    subject_prefix: z
      .string({ error: prefixExpected })
      .max(100, { error: prefixExpected })
      .regex(/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/, { error: prefixExpected })
      .meta({ description: 'What the subjects begin with: `<subject_prefix>.<project>.<type>`.' })
      .default('shiplog.events'),
    from: choice(
      'Where the publication begins when it is configured first: with what happens from then on, or with the first event of the log.',
      ['now', 'beginning'],
    ).default('now'),
    replicas: whole('On how many servers a new stream is stored.', 1, 5).default(1),
    max_age: duration('How long a new stream keeps an event.', 120_000).prefault('168h'),
    max_bytes: whole(
      'The most bytes that a new stream holds, whereupon its oldest events go; without it as many as NATS lets it.',
      1_048_576,
      Number.MAX_SAFE_INTEGER,
    ).optional(),
  },
).optional();
