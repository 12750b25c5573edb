import { catalogue } from '../domain/catalogue.ts';
import type { EmailCommand } from '../domain/email/decider.ts';
import { emailDecider } from '../domain/email/decider.ts';
import { type EmailEvent, emailStream } from '../domain/email/events.ts';
import type { RecordedEvent } from '../domain/event.ts';
import { userDecider } from '../domain/user/decider.ts';
import { userStream } from '../domain/user/events.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import type { SecretBox } from '../infra/secrets/port.ts';
import { type Decision, decision, historyOf, stateOf } from './record.ts';

/** The keyed hash by which an e-mail address is found and reserved; in any case of its letters. */
export const emailKeyOf = (secrets: SecretBox, email: string): string =>
  secrets.fingerprint(email.trim().toLowerCase(), 'email');

interface Holder {
  readonly emailKey: string;
  readonly userId: number;
  readonly username: string;
}

/** A reservation that no user of that address has followed within this time was abandoned. Milliseconds. */
const abandonedAfterMs = 60_000;

/** To be recorded before the user has the address, or keeps it; refuses with `email-taken`. */
export async function reserveEmail(log: EventLog, holder: Holder): Promise<Decision<number | null>> {
  const abandoned = await abandonedReservation(log, holder.emailKey);
  const stream = emailStream(holder.emailKey);
  return {
    stream,
    decide(history) {
      // Who has come for it since has it, also where he is the same.
      const isAbandoned = abandoned !== undefined && history.at(-1)?.position === abandoned.position;
      const command: EmailCommand = {
        do: 'reserve',
        ...holder,
        ...(isAbandoned && { abandonedBy: abandoned.data.userId }),
      };
      return decision(stream, emailDecider, command).decide(history);
    },
  };
}

/** To be recorded after the user no longer has the address. */
export const releaseEmail = (holder: Holder): Decision<number | null> =>
  decision(emailStream(holder.emailKey), emailDecider, { do: 'release', ...holder });

/**
 * The reservation of somebody who never came to have the address, or has it no more. Where the engine cannot append to
 * two streams as one, a crash may come between the address and its user.
 */
async function abandonedReservation(
  log: EventLog,
  emailKey: string,
): Promise<RecordedEvent<EmailEvent> | undefined> {
  const last = (await historyOf<EmailEvent>(log, catalogue, emailStream(emailKey))).at(-1);
  if (last?.type !== 'EmailReserved') return undefined;
  if (Date.now() - last.recordedAt.getTime() < abandonedAfterMs) return undefined;
  const { userId, username } = last.data;
  const user = await stateOf(log, catalogue, userStream(username), userDecider);
  return user?.userId === userId && user.emailKey === emailKey ? undefined : last;
}
