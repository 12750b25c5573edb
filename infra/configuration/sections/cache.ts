import type { z } from 'zod';
import { flag, section, whole } from '../fields.ts';

export const cache = {
  cache: section(
    'Answers that are kept in memory until an event changes them, and manifests, which never change, also in Redis.',
    {
      enabled: flag('Whether answers are kept. Without, each is read from the database.').default(true),
      entries: whole(
        'The most answers that are kept for each kind of question, such as where a tag points.',
        1,
        10_000_000,
      ).default(20_000),
      expire_hours: whole(
        'How long a manifest is kept in Redis, where `external_redis` is set. What is kept in memory is never too old.',
        1,
        87_600,
      ).default(24),
    },
  ).prefault({}),
} satisfies z.core.$ZodShape;
