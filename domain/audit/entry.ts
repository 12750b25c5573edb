import type { AuditOperation } from './operations.ts';

export type ActorKind = 'user' | 'robot' | 'anonymous' | 'system';

/** All that the audit log says of one event. */
export interface AuditEntry {
  /** The position of the event in the log. */
  readonly position: string;
  /** The id of the event, by which everybody outside knows it. */
  readonly eventId: string;
  readonly at: Date;
  readonly operation: AuditOperation;
  readonly resourceType: string;
  readonly resource: string;
  readonly description: string;
  readonly actorKind: ActorKind;
  /** The user name, or the name of the robot as it is stored, without a prefix; of a failed login, as it was given. */
  readonly actor: string;
  /** The number of the access token by which a user did it. */
  readonly accessToken: number | null;
  /** IPv4 or IPv6; null for what came over no network. */
  readonly address: string | null;
  readonly userAgent: string | null;
  /** Null for what is of no project. */
  readonly projectId: number | null;
  readonly succeeded: boolean;
  /** Why, in the words of who did it. */
  readonly reason: string | null;
  /** What all events of one request or job share. */
  readonly correlationId: string | null;
  /** The id that the client gave its request, or was given for it. */
  readonly requestId: string | null;
  /** Of settings, what they were and are: of a change the parts that have changed. */
  readonly before: Settings | null;
  readonly after: Settings | null;
}

/** JSON, without secrets. */
export type Settings = Readonly<Record<string, unknown>>;

/** By what the actor was known. */
export function credentialOf({
  actorKind,
  accessToken,
}: Pick<AuditEntry, 'actorKind' | 'accessToken'>): 'password' | 'access-token' | 'robot-secret' | null {
  if (accessToken !== null) return 'access-token';
  if (actorKind === 'user') return 'password';
  return actorKind === 'robot' ? 'robot-secret' : null;
}
