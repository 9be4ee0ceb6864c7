"""Names of Windows event log items that have a place of their own: known names, and columns of the store."""

KNOWN_NAMES = (
    "AccessList AccessMask AccountExpires AllowedToDelegateTo Application AuditPolicyChanges "
    "AuthenticationPackageName CategoryId CommandLine DisplayName Dummy ElevatedToken EventCode "
    "EventProcessingFailure FailureReason FilterRTID HandleId HomeDirectory HomePath ImpersonationLevel "
    "IpAddress IpPort KeyLength LayerName LayerRTID LmPackageName LogonGuid LogonHours LogonProcessName "
    "LogonType MandatoryLabel MemberName MemberSid NewProcessId NewProcessName NewUacValue NewValue "
    "NewValueType ObjectName ObjectServer ObjectType ObjectValueName OldUacValue OldValue OldValueType "
    "OperationType PackageName ParentProcessName PasswordLastSet PrimaryGroupId PrivilegeList ProcessId "
    "ProcessName ProfileChanged ProfilePath Protocol PublisherId ResourceAttributes RestrictedAdminMode "
    "SamAccountName ScriptPath ServiceAccount ServiceFileName ServiceName ServiceStartType ServiceType "
    "SettingType SettingValue ShareLocalPath ShareName SidHistory SourceAddress SourcePort Status "
    "SubcategoryGuid SubcategoryId SubjectDomainName SubjectLogonId SubjectUserName SubjectUserSid "
    "SubStatus TargetDomainName TargetLinkedLogonId TargetLogonId TargetOutboundDomainName "
    "TargetOutboundUserName TargetUserName TargetUserSid TaskContent TaskName TokenElevationType "
    "TransmittedServices UserAccountControl UserParameters UserPrincipalName UserWorkstations "
    "VirtualAccount Workstation WorkstationName"
)
"""The 99 body names that must be searchable; any other name is too, under `winlog.data.<name>`."""

COLUMNS = (
    "AccessList AccessMask CallerProcessName ContextInfo ImagePath IpAddress LogonType ObjectName "
    "ObjectServer ObjectType Payload ProcessName RelativeTargetName ServiceFileName ServiceName "
    "ServiceType ShareName StartType Status SubjectDomainName SubjectUserName SubjectUserSid "
    "TargetDomainName TargetUserName TargetUserSid TaskName TicketEncryptionType WorkstationName"
)
"""Names that so many Sigma rules read that each is a column; the others are keys of one map."""
