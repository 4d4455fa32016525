--  Uploads a file to a vault.
--
--  usage: upload VAULT FILE
--
--  Keys and region come from the environment.
with Ada.Command_Line;     use Ada.Command_Line;
with Ada.Text_IO;          use Ada.Text_IO;
with Interfaces.C;         use Interfaces.C;
with Interfaces.C.Strings; use Interfaces.C.Strings;
with System;               use System;
with Glacier;              use Glacier;
with Reports;

procedure Upload is

   Config         : Address := Null_Address;
   Client, Handle : aliased Address := Null_Address;
   Err            : aliased Address := Null_Address;

begin
   if Argument_Count /= 2 then
      Put_Line (Standard_Error, "usage: upload VAULT FILE");
      Set_Exit_Status (2);
      return;
   end if;

   Config := Config_New;
   if Client_New (Config, Client'Access, Err'Access) = Glacier_OK
     and then Upload_New (Client, To_C (Argument (1)), Handle'Access, Err'Access) = Glacier_OK
     and then Set_Source_File (Handle, To_C (Argument (2)), Err'Access) = Glacier_OK
     and then Set_Progress (Handle, Reports.On_Progress'Access, Null_Address, Null_Address, Err'Access) = Glacier_OK
     and then Run (Handle, Err'Access) = Glacier_OK
   then
      Put_Line (Value (Archive_ID (Handle)));
   else
      Put_Line (Standard_Error, Value (Result_Name (Error_Code (Err))) & ": " & Value (Error_Message (Err)));
      Error_Free (Err);
      Set_Exit_Status (1);
   end if;
   --  These procedures accept a null address.
   Upload_Free (Handle);
   Client_Free (Client);
   Config_Free (Config);
end Upload;
