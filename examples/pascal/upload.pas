{ Uploads a file to a vault.

  usage: upload VAULT FILE [JOURNAL]

  Keys and region come from the environment. }
program upload;

{$mode objfpc}{$H+}
{$linklib glacier_mp}

uses
  ctypes, SysUtils;

const
  GLACIER_OK = 0;
  GLACIER_STOP = 0;
  GLACIER_CONTINUE = 1;
  GLACIER_UNKNOWN_LENGTH = High(cuint64);

type
  PProgress = ^TProgress;
  { glacier_progress_t }
  TProgress = record
    StructSize, BytesTotal, BytesDone, BytesResumed, BytesHashed, BytesSent: cuint64;
    PartsTotal, PartsDone, PartsInFlight, Retries, Workers, ElapsedMs: cuint64;
  end;
  TProgressFn = function(UserData: Pointer; Progress: PProgress): cint32; cdecl;

  EGlacier = class(Exception)
  public
    Code: string;
  end;

function glacier_config_new: Pointer; cdecl; external;
procedure glacier_config_free(config: Pointer); cdecl; external;
function glacier_client_new(config: Pointer; out client, err: Pointer): cint32; cdecl; external;
procedure glacier_client_free(client: Pointer); cdecl; external;
function glacier_upload_new(client: Pointer; vault: PChar; out handle, err: Pointer): cint32; cdecl; external;
function glacier_upload_set_source_file(handle: Pointer; path: PChar; out err: Pointer): cint32; cdecl; external;
function glacier_upload_set_journal(handle: Pointer; path: PChar; out err: Pointer): cint32; cdecl; external;
function glacier_upload_set_progress(handle: Pointer; callback: TProgressFn; userdata, destroy: Pointer;
  out err: Pointer): cint32; cdecl; external;
function glacier_upload_run(handle: Pointer; out err: Pointer): cint32; cdecl; external;
function glacier_upload_archive_id(handle: Pointer): PChar; cdecl; external;
procedure glacier_upload_free(handle: Pointer); cdecl; external;
function glacier_error_message(error: Pointer): PChar; cdecl; external;
procedure glacier_error_free(error: Pointer); cdecl; external;
function glacier_result_name(code: cint32): PChar; cdecl; external;

{ Raises the error of a call. Err is a reference, because the call inside the argument Code sets it. }
procedure Check(Code: cint32; var Err: Pointer);
var
  Failure: EGlacier;
begin
  if Code = GLACIER_OK then
    Exit;
  Failure := EGlacier.Create(glacier_error_message(Err));
  Failure.Code := glacier_result_name(Code);
  glacier_error_free(Err);
  raise Failure;
end;

procedure Show(Progress: PProgress);
begin
  {$I-} { No exception if standard error cannot be written: the upload does not need it. }
  Write(StdErr, Progress^.BytesDone + Progress^.BytesResumed);
  if Progress^.BytesTotal <> GLACIER_UNKNOWN_LENGTH then
    Write(StdErr, ' of ', Progress^.BytesTotal);
  WriteLn(StdErr, ' bytes');
  {$I+}
  IOResult; { Clears the error. }
end;

{ Stores an exception in UserData: it must not leave a callback. }
function OnProgress(UserData: Pointer; Progress: PProgress): cint32; cdecl;
begin
  try
    Show(Progress);
    Result := GLACIER_CONTINUE;
  except
    PPointer(UserData)^ := AcquireExceptionObject;
    Result := GLACIER_STOP;
  end;
end;

function UploadFile(const Vault, Path, Journal: string): string;
var
  Config, Client, Handle, Err: Pointer;
  Failure: TObject;
begin
  Failure := nil;
  Client := nil;
  Handle := nil;
  Config := glacier_config_new;
  try
    Check(glacier_client_new(Config, Client, Err), Err);
    Check(glacier_upload_new(Client, PChar(Vault), Handle, Err), Err);
    Check(glacier_upload_set_source_file(Handle, PChar(Path), Err), Err);
    if Journal <> '' then
      Check(glacier_upload_set_journal(Handle, PChar(Journal), Err), Err);
    Check(glacier_upload_set_progress(Handle, @OnProgress, @Failure, nil, Err), Err);
    try
      Check(glacier_upload_run(Handle, Err), Err);
    finally
      if Failure <> nil then
        raise Failure;
    end;
    Result := glacier_upload_archive_id(Handle);
  finally
    { These functions accept NULL. }
    glacier_upload_free(Handle);
    glacier_client_free(Client);
    glacier_config_free(Config);
  end;
end;

begin
  if (ParamCount < 2) or (ParamCount > 3) then
  begin
    WriteLn(StdErr, 'usage: upload VAULT FILE [JOURNAL]');
    Halt(2);
  end;
  try
    { ParamStr returns '' for an argument that is missing. }
    WriteLn(UploadFile(ParamStr(1), ParamStr(2), ParamStr(3)));
  except
    on Failure: EGlacier do
    begin
      {$I-}
      WriteLn(StdErr, Failure.Code, ': ', Failure.Message);
      Halt(1);
    end;
  end;
end.
