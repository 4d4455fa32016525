{ Uploads a file to a vault.

  usage: upload VAULT FILE

  Keys and region come from the environment. }
program upload;

{$mode objfpc}{$H+}
{$linklib glacier_mp}

uses
  ctypes, SysUtils;

const
  GLACIER_OK = 0;
  GLACIER_CONTINUE = 1;

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
    Resumable: Boolean;
  end;

function glacier_config_new: Pointer; cdecl; external;
procedure glacier_config_free(config: Pointer); cdecl; external;
function glacier_client_new(config: Pointer; out client, err: Pointer): cint32; cdecl; external;
procedure glacier_client_free(client: Pointer); cdecl; external;
function glacier_upload_new(client: Pointer; vault: PChar; out handle, err: Pointer): cint32; cdecl; external;
function glacier_upload_set_source_file(handle: Pointer; path: PChar; out err: Pointer): cint32; cdecl; external;
function glacier_upload_set_progress(handle: Pointer; callback: TProgressFn; userdata, destroy: Pointer;
  out err: Pointer): cint32; cdecl; external;
function glacier_upload_run(handle: Pointer; out err: Pointer): cint32; cdecl; external;
function glacier_upload_archive_id(handle: Pointer): PChar; cdecl; external;
procedure glacier_upload_free(handle: Pointer); cdecl; external;
function glacier_error_message(error: Pointer): PChar; cdecl; external;
function glacier_error_is_resumable(error: Pointer): cint32; cdecl; external;
procedure glacier_error_free(error: Pointer); cdecl; external;
function glacier_result_name(code: cint32): PChar; cdecl; external;

{ Raises the error of a call. }
procedure Check(Code: cint32; Err: Pointer);
var
  Failure: EGlacier;
begin
  if Code = GLACIER_OK then
    Exit;
  Failure := EGlacier.Create(glacier_error_message(Err));
  Failure.Code := glacier_result_name(Code);
  Failure.Resumable := glacier_error_is_resumable(Err) = 1;
  glacier_error_free(Err);
  raise Failure;
end;

{ An exception must not leave a callback. }
function OnProgress(UserData: Pointer; Progress: PProgress): cint32; cdecl;
begin
  WriteLn(StdErr, Progress^.BytesDone + Progress^.BytesResumed, ' of ', Progress^.BytesTotal, ' bytes');
  Result := GLACIER_CONTINUE;
end;

function UploadFile(const Vault, Path: string): string;
var
  Config, Client, Handle, Err: Pointer;
  Code: cint32;
begin
  Client := nil;
  Handle := nil;
  Config := glacier_config_new;
  try
    Code := glacier_client_new(Config, Client, Err);
    Check(Code, Err);
    Code := glacier_upload_new(Client, PChar(Vault), Handle, Err);
    Check(Code, Err);
    Code := glacier_upload_set_source_file(Handle, PChar(Path), Err);
    Check(Code, Err);
    Code := glacier_upload_set_progress(Handle, @OnProgress, nil, nil, Err);
    Check(Code, Err);
    Code := glacier_upload_run(Handle, Err);
    Check(Code, Err);
    Result := glacier_upload_archive_id(Handle);
  finally
    { These functions accept NULL. }
    glacier_upload_free(Handle);
    glacier_client_free(Client);
    glacier_config_free(Config);
  end;
end;

begin
  if ParamCount <> 2 then
  begin
    WriteLn(StdErr, 'usage: upload VAULT FILE');
    Halt(2);
  end;
  try
    WriteLn(UploadFile(ParamStr(1), ParamStr(2)));
  except
    on Failure: EGlacier do
    begin
      WriteLn(StdErr, Failure.Code, ': ', Failure.Message);
      Halt(1);
    end;
  end;
end.
