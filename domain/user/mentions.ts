type Data = Readonly<Record<string, unknown>>;

/** A field of an event in which the name of a user stands. */
export interface Mention {
  /** The names of the properties that lead to it; one that was declared once stays, for the events that have it. */
  readonly path: readonly string[];
  /** Where the number of the same user stands. Without it he is who bears the name when the event is recorded. */
  readonly userId?: readonly string[];
  /** Whether it is the name of a user at all, for a field that holds other names too. */
  readonly isOfUser?: (data: Data) => boolean;
}

const whoItIs: readonly Mention[] = [{ path: ['username'], userId: ['userId'] }];
const whoLogsIn: readonly Mention[] = [{ path: ['username'], isOfUser: ({ kind }) => kind === 'user' }];
/** What is told by itself names nobody. */
const operatorIn = (told: unknown): unknown =>
  (told as { readonly notification?: { readonly operator?: unknown } } | undefined)?.notification?.operator ??
  '';
const memberByName: readonly Mention[] = [
  { path: ['entityName'], userId: ['entityId'], isOfUser: ({ entityType }) => entityType === 'user' },
];

/**
 * Where events name users, by their types: these names stand in no event, but what can be erased. So does the actor of
 * every event.
 */
export const mentionsOfUsers: Readonly<Record<string, readonly Mention[]>> = {
  AccessTokenCreated: whoItIs,
  ChangeRefused: [
    {
      path: ['resource'],
      isOfUser: ({ change, entityType }) =>
        typeof change === 'string' &&
        (/_user$/.test(change) || (/_member$/.test(change) && entityType !== 'group')),
    },
  ],
  EmailReleased: whoItIs,
  EmailReserved: whoItIs,
  LoggedOut: whoLogsIn,
  LoginFailed: whoLogsIn,
  LoginSucceeded: whoLogsIn,
  MemberAdded: memberByName,
  MemberRemoved: memberByName,
  MemberRoleChanged: memberByName,
  ProjectCreated: [{ path: ['owner'] }],
  RefreshTokenIssued: [
    {
      path: ['subject', 'name'],
      userId: ['subject', 'id'],
      isOfUser: ({ subject }) => (subject as Data | undefined)?.kind === 'user',
    },
  ],
  UserAdministratorChanged: whoItIs,
  UserCreated: whoItIs,
  UserDeleted: whoItIs,
  UserPasswordChanged: whoItIs,
  UserProfileChanged: whoItIs,
  WebhookDeliveriesRequested: [
    { path: ['told', 'notification', 'operator'], isOfUser: ({ told }) => operatorIn(told) !== '' },
  ],
};

/** The administrator whom every installation has, who cannot be deleted and is no person by his name. */
export const initialAdministrator = { userId: 1, username: 'admin' };
