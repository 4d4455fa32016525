--  Uploads a file to a vault.
--
--  usage: upload VAULT FILE [JOURNAL]
--
--  Keys and region come from the environment.
with Ada.Command_Line;      use Ada.Command_Line;
with Ada.Exceptions;        use Ada.Exceptions;
with Ada.Strings.Unbounded; use Ada.Strings.Unbounded;
with Ada.Text_IO;           use Ada.Text_IO;
with Interfaces.C;          use Interfaces.C;
with Interfaces.C.Strings;  use Interfaces.C.Strings;
with System;                use System;
with Glacier;               use Glacier;
with Reports;

procedure Upload is

   Config         : Address := Null_Address;
   Client, Handle : aliased Address := Null_Address;
   Err            : aliased Address := Null_Address;
   Glacier_Error  : exception;
   --  The text of a Glacier_Error: GNAT cuts the message of an exception at 200 characters.
   Error_Text     : Unbounded_String;

   --  Raises the error of a call, which stored it in Err.
   procedure Check (Code : int) is
   begin
      if Code /= Glacier_OK then
         Error_Text := To_Unbounded_String (Value (Result_Name (Code)) & ": " & Value (Error_Message (Err)));
         Error_Free (Err);
         raise Glacier_Error;
      end if;
   end Check;

   procedure Run_Upload is
      Code : int;
   begin
      Check (Client_New (Config, Client'Access, Err'Access));
      Check (Upload_New (Client, To_C (Argument (1)), Handle'Access, Err'Access));
      Check (Set_Source_File (Handle, To_C (Argument (2)), Err'Access));
      if Argument_Count = 3 then
         Check (Set_Journal (Handle, To_C (Argument (3)), Err'Access));
      end if;
      Check (Set_Progress (Handle, Reports.On_Progress'Access, Null_Address, Null_Address, Err'Access));
      Code := Run (Handle, Err'Access);
      --  Raises the exception of the callback, if there is one.
      Reraise_Occurrence (Reports.Failure);
      Check (Code);
      Put_Line (Value (Archive_ID (Handle)));
   exception
      when Glacier_Error =>
         Put_Line (Standard_Error, To_String (Error_Text));
         Set_Exit_Status (1);
   end Run_Upload;

begin
   if Argument_Count not in 2 .. 3 then
      Put_Line (Standard_Error, "usage: upload VAULT FILE [JOURNAL]");
      Set_Exit_Status (2);
      return;
   end if;

   Config := Config_New;
   Run_Upload;
   --  These procedures accept a null address.
   Upload_Free (Handle);
   Client_Free (Client);
   Config_Free (Config);
end Upload;
