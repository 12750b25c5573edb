import type { Metadata } from '../domain/event.ts';
import { preferencesDecider } from '../domain/preferences/decider.ts';
import { preferencesStream } from '../domain/preferences/events.ts';
import { Refusal } from '../domain/refusal.ts';
import { requiringUser } from '../domain/user/decider.ts';
import { userStream } from '../domain/user/events.ts';
import type { PersonalData } from '../infra/personal-data/port.ts';
import { decision, type Recorder } from './record.ts';

export interface ChangePreferences {
  readonly username: string;
  readonly userId: number;
  /** JSON. */
  readonly text: string;
  /** The fingerprints of what may be overwritten, null for that of none; undefined for whatever is there. */
  readonly over: readonly (string | null)[] | undefined;
}

export interface ChangePreferencesPorts {
  readonly record: Recorder;
  readonly personalData: PersonalData;
  /** A keyed hash of the user's text. */
  fingerprintOf(userId: number, text: string): string;
}

/** @throws Refusal `preferences-changed`, `user-unknown` */
export const changePreferences =
  ({ record, personalData, fingerprintOf }: ChangePreferencesPorts) =>
  async (
    { username, userId, text, over }: ChangePreferences,
    metadata: Metadata,
  ): Promise<{ readonly position: bigint; readonly fingerprint: string }> => {
    const fingerprint = fingerprintOf(userId, text);
    const sealed = await personalData.seal(userId, text);
    try {
      const { position } = await record(
        metadata,
        decision(userStream(username), requiringUser, { username, userId }),
        decision(
          preferencesStream(userId),
          preferencesDecider,
          { userId, fingerprint, sealed, over },
          'last',
        ),
      );
      return { position, fingerprint };
    } catch (error) {
      // The seal has made the key again of somebody who was erased meanwhile.
      if (error instanceof Refusal && error.reason.kind === 'user-unknown') await personalData.forget(userId);
      throw error;
    }
  };
