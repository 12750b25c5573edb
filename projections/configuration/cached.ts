import type { ConfigurationEvent } from '../../domain/configuration/events.ts';
import { type CachedQuestion, everything } from '../../infra/database/cached-question.ts';
import { configuration } from './projection.ts';

/** `readConfiguration` */
export const configurationQuestion: CachedQuestion<ConfigurationEvent, []> = {
  view: configuration,
  subjectOf: () => 'system',
  touchedBy: () => everything,
};
