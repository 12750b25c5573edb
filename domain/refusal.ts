import type { Digest } from './digest.ts';

/** Every state of the world that can forbid a command; `gateway/errors.ts` has an answer for each. */
export type Reason =
  | { readonly kind: 'project-unknown'; readonly project: string }
  | { readonly kind: 'project-exists'; readonly project: string }
  | { readonly kind: 'project-not-empty'; readonly project: string }
  | { readonly kind: 'metadata-exists'; readonly project: string; readonly key: string }
  | { readonly kind: 'user-exists'; readonly username: string }
  | { readonly kind: 'user-unknown'; readonly userId: number }
  | { readonly kind: 'password-changed' }
  | { readonly kind: 'email-taken' }
  | { readonly kind: 'member-exists'; readonly project: string; readonly member: string }
  | { readonly kind: 'member-unknown'; readonly memberId: number }
  | { readonly kind: 'user-group-exists'; readonly name: string }
  | { readonly kind: 'user-group-unknown'; readonly groupId: number }
  | { readonly kind: 'robot-exists'; readonly robot: string }
  | { readonly kind: 'robot-unknown'; readonly robotId: number }
  | { readonly kind: 'label-exists'; readonly label: string }
  | { readonly kind: 'label-unknown'; readonly labelId: number }
  | { readonly kind: 'label-attached'; readonly labelId: number }
  | { readonly kind: 'label-not-attached'; readonly labelId: number }
  | { readonly kind: 'immutable-rule-exists'; readonly project: string; readonly ruleId: number }
  | { readonly kind: 'immutable-rule-unknown'; readonly project: string; readonly ruleId: number }
  | { readonly kind: 'too-many-immutable-rules'; readonly max: number }
  | { readonly kind: 'immutable-patterns-too-long'; readonly max: number }
  | { readonly kind: 'webhook-policy-exists'; readonly project: string | null; readonly name: string }
  | { readonly kind: 'webhook-policy-unknown'; readonly policyId: number }
  | { readonly kind: 'too-many-webhook-policies'; readonly max: number }
  /** A rule of the project keeps the tag from it. */
  | {
      readonly kind: 'tag-immutable';
      readonly repository: string;
      readonly tag: string;
      readonly deed: 'move' | 'delete';
    }
  | { readonly kind: 'retention-unknown'; readonly policyId: number }
  | { readonly kind: 'retention-exists'; readonly projectId: number; readonly policyId: number }
  /** Since somebody has decided about it. */
  | { readonly kind: 'artifact-changed'; readonly repository: string; readonly digest: Digest }
  | { readonly kind: 'artifact-unknown'; readonly repository: string; readonly digest: Digest }
  | { readonly kind: 'configuration-invalid'; readonly item: string; readonly expected: string }
  /** Users have passwords here that they would lose. */
  | { readonly kind: 'auth-mode-locked' }
  /** The audit log would go nowhere. */
  | { readonly kind: 'audit-endpoint-missing' }
  | { readonly kind: 'audit-endpoint-unreachable'; readonly endpoint: string }
  | { readonly kind: 'access-token-exists'; readonly name: string }
  | { readonly kind: 'access-token-unknown'; readonly tokenId: number }
  | { readonly kind: 'too-many-access-tokens'; readonly max: number }
  /** Since the request has read them. */
  | { readonly kind: 'preferences-changed' }
  | { readonly kind: 'references-unknown'; readonly repository: string; readonly digests: readonly Digest[] }
  | {
      readonly kind: 'reference-size-differs';
      readonly digest: Digest;
      readonly claimed: number;
      readonly size: number;
    }
  | { readonly kind: 'execution-unknown'; readonly executionId: number }
  /** It is no cron of six fields, or would never be due. */
  | { readonly kind: 'cron-invalid'; readonly cron: string }
  | { readonly kind: 'manifest-invalid'; readonly fault: string }
  /** An index of the repository needs the manifest. */
  | { readonly kind: 'manifest-referenced'; readonly digest: Digest; readonly by: Digest }
  /** All in bytes: what was to be added, what the project holds, and what it may. */
  | {
      readonly kind: 'quota-exceeded';
      readonly adding: number;
      readonly used: number;
      readonly limit: number;
    }
  /** A manifest of the repository needs the blob. */
  | { readonly kind: 'blob-referenced'; readonly digest: Digest }
  | {
      readonly kind: 'tag-condition-failed';
      readonly repository: string;
      readonly tag: string;
      readonly digest: Digest;
      readonly current: Digest | null;
    };

/** The domain says no. Nothing between a decider and the gateway catches it. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly reason: Reason;
  constructor(reason: Reason) {
    super(reason.kind);
    this.reason = reason;
  }
}
