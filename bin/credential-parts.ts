import { randomBytes } from 'node:crypto';
import type { AllocateId } from '../commands/allocate-id.ts';
import { changePreferences } from '../commands/change-preferences.ts';
import { createAccessToken } from '../commands/create-access-token.ts';
import type { Recorder } from '../commands/record.ts';
import { revokeAccessToken } from '../commands/revoke-access-token.ts';
import type { ApiParts } from '../gateway/api/ports.ts';
import { type ViewDatabase, viewOf } from '../infra/database/projection.ts';
import type { PersonalData } from '../infra/personal-data/port.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import type { Views } from '../infra/views/port.ts';
import { type AccessTokensDatabase, accessTokens } from '../projections/access-tokens/projection.ts';
import { findListedAccessToken, listAccessTokens } from '../projections/access-tokens/queries.ts';
import { type CredentialUsesDatabase, credentialUses } from '../projections/credential-uses/projection.ts';
import { lastUsesOf } from '../projections/credential-uses/queries.ts';
import { type PreferencesDatabase, preferences } from '../projections/preferences/projection.ts';
import { findPreferences } from '../projections/preferences/queries.ts';
import type { Current } from './api-parts.ts';
import { accessTokenHasher } from './auth-ports.ts';

export interface CredentialEngines {
  readonly record: Recorder;
  readonly secrets: SecretBox;
  readonly personalData: PersonalData;
  readonly kysely: ViewDatabase;
  readonly views: Views;
}

/** What the management API asks of access tokens, of the use of credentials, and of how users want the portal. */
export function credentialParts(
  { record, secrets, personalData, kysely, views }: CredentialEngines,
  allocateId: AllocateId,
  current: Current,
): Pick<ApiParts, 'accessTokens' | 'lastUsesOf' | 'preferences'> {
  const inAccessTokens = viewOf<AccessTokensDatabase>(kysely, accessTokens);
  const inCredentialUses = viewOf<CredentialUsesDatabase>(kysely, credentialUses);
  const inPreferences = viewOf<PreferencesDatabase>(kysely, preferences);
  return {
    accessTokens: {
      list: current(listAccessTokens.bind(undefined, inAccessTokens)),
      find: current(findListedAccessToken.bind(undefined, inAccessTokens)),
      create: createAccessToken({
        record,
        allocateId,
        hashAccessToken: accessTokenHasher(secrets),
        randomBytes,
      }),
      revoke: revokeAccessToken({ record }),
      reached: (position) => views.reached(position, [accessTokens]),
    },
    lastUsesOf: current(lastUsesOf.bind(undefined, inCredentialUses)),
    preferences: {
      find: current(findPreferences.bind(undefined, inPreferences)),
      change: changePreferences({
        record,
        personalData,
        fingerprintOf: (userId, text) => secrets.fingerprint(text, `preferences/${userId}`),
      }),
      personalData,
      reached: (position) => views.reached(position, [preferences]),
    },
  };
}
