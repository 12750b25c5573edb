/**
 * The types of events that are not in the audit log, each with the reason: what somebody did is told by another event, or
 * nobody did anything.
 */
export const untoldTypes: Readonly<Record<string, string>> = {
  BlobStored: 'a step of a push, which is told by its manifest',
  BlobLinked: 'a step of a push, which is told by its manifest',
  BlobCondemned: 'a step of the collection of garbage; what comes of it is told',
  BlobReprieved: 'a step of the collection of garbage, after which all is as before',
  BlobDeleted: 'what is left when the last repository does not hold a blob any more',
  ManifestCondemned: 'a step of a deletion; what comes of it is told',
  ManifestReprieved: 'a deletion that did not come about, after which all is as before',
  IdAllocated: 'a number for what is told when it is there',
  EmailReserved: 'a part of the change of a profile, which is told',
  EmailReleased: 'a part of the change of a profile, which is told',
  UserGroupKeyReserved: 'a part of the creation of a group, which is told',
  UserGroupKeyReleased: 'a part of the deletion of a group, which is told',
  CredentialUsed: 'what is done by a robot or a token is told, with which it was',
  RefreshTokenIssued: 'a part of a login, which is told',
  RefreshTokenRevoked: 'a part of what makes the credentials void, which is told',
  QuotaWarned: 'what pushes have come to, which are told',
  QuotaEased: 'what deletions have come to, which are told',
  TasksRequested: 'a step of work whose start is told',
  TaskStarted: 'a step of work whose start is told',
  TaskAttemptFailed: 'a step of work whose start is told',
  TaskFinished: 'a step of work whose start is told, and so is what it changes',
  ExecutionsSwept: 'old work is not listed any more; that it was done stays told',
  GarbageCollectionStarted: 'its end is told',
  ScheduleFired: 'what it starts is told',
  ScheduleSkipped: 'nothing was started',
  RetentionApplied: 'each artifact that a run has removed is told',
  AuditLogPurged: 'a step of a purge, whose start is told; thousands of them can make one',
};
