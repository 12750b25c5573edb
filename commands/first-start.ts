import type { Metadata } from '../domain/event.ts';
import { projectStream } from '../domain/project/events.ts';
import { Refusal } from '../domain/refusal.ts';
import { userDecider } from '../domain/user/decider.ts';
import { userStream } from '../domain/user/events.ts';
import type { EventLog } from '../infra/event-log/port.ts';
import { projectWithOwner } from './create-project.ts';
import { decision, type Recorder } from './record.ts';

/** Harbor's names for both; its clients and scripts expect them. */
const administrator = 'admin';
const firstProject = 'library';

export interface FirstStartPorts {
  readonly log: EventLog;
  readonly record: Recorder;
  /** A password that nobody can guess. */
  newPassword(): string;
  hashPassword(password: string): Promise<string>;
  /** Keeps the password where only the operator can read it; it is kept durably when this resolves. */
  keepPassword(password: string): Promise<void>;
  /** A password that an earlier start has kept before it died. */
  keptPassword(): Promise<string | undefined>;
  /** Takes back what `keepPassword` has kept. */
  dropPassword(): Promise<void>;
}

const metadata: Metadata = { actor: 'system' };
const isThere: ReadonlySet<Refusal['reason']['kind']> = new Set(['project-exists', 'member-exists']);

/**
 * Makes sure that there is an administrator and the public project `library`. Any number of processes may do so at
 * once, and each may die at any line: what is there already is left alone. Resolves to the log's position.
 */
export async function firstStart(
  ports: FirstStartPorts,
  configuredPassword: string | undefined,
): Promise<bigint> {
  const { log, record } = ports;
  const user = await log.readStream(userStream(administrator));
  const asAdministrator =
    user.revision === 'none'
      ? await createAdministrator(ports, configuredPassword)
      : (user.events.at(-1)?.position ?? 0n);

  const project = await log.readStream(projectStream(firstProject));
  if (project.revision !== 'none') return asAdministrator;
  const owner = { username: administrator, userId: 1 };
  const library = {
    name: firstProject,
    projectId: 1,
    public: true,
    metadata: {},
    storageLimit: null,
    owner,
    memberId: 1,
  };
  try {
    return (await record(metadata, ...projectWithOwner(library))).position;
  } catch (error) {
    // Another process was faster; where its project came between our two readings, its member is what we meet.
    if (error instanceof Refusal && isThere.has(error.reason.kind)) return asAdministrator;
    throw error;
  }
}

async function createAdministrator(ports: FirstStartPorts, configured: string | undefined): Promise<bigint> {
  // Kept before the user exists: a crash in between leaves a password that the next start takes up, while the
  // other order would leave an administrator whose password nobody knows.
  const kept = configured === undefined ? await ports.keptPassword() : undefined;
  // Of an earlier start that died before anybody got that password.
  if (configured !== undefined) await ports.dropPassword();
  const password = configured ?? kept ?? ports.newPassword();
  if (configured === undefined && kept === undefined) await ports.keepPassword(password);
  const passwordHash = await ports.hashPassword(password);
  const user = decision(userStream(administrator), userDecider, {
    do: 'create',
    username: administrator,
    userId: 1,
    administrator: true,
    passwordHash,
    emailKey: null,
    profile: null,
  });
  try {
    return (await ports.record(metadata, user)).position;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    // Another process was faster, and the password that counts is its.
    if (configured === undefined) await ports.dropPassword();
    return 0n;
  }
}
