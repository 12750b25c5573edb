/** Who is asking. */
export type Principal =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'user'; readonly username: string; readonly administrator: boolean };

export type Action = 'pull' | 'push';

/** What is asked for: a repository of a project; the project is null where it does not exist. */
export interface Resource {
  readonly project: { readonly public: boolean } | null;
}

/** The one place that says who may do what; whatever is not allowed here is denied. */
export function authorize(principal: Principal, action: Action, { project }: Resource): boolean {
  if (principal.kind === 'user' && principal.administrator) return true;
  return action === 'pull' && project?.public === true;
}

/** How events name the principal. */
export const actorOf = (principal: Principal): string =>
  principal.kind === 'anonymous' ? 'anonymous' : `user:${principal.username}`;
